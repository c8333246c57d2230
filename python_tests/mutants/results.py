"""What became of mutants: the verdicts, the file that keeps them, and their table."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants.mutation import MUTATIONS, Mutation


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    caught_by: str | None
    """The test that failed, or what dbt said; None when nothing noticed."""
    seconds: float
    output: str = ""
    """What the tests printed, when nothing noticed or they did not run."""
    did_not_run: str = ""
    """Why the tests said nothing: they were skipped, or did not end; empty when they ran."""

    @property
    def told(self) -> str:
        """In a few words."""
        if self.did_not_run:
            return f"tests did not run: {self.did_not_run}"
        return self.caught_by or "NOTHING"


def table_of(rows: Sequence[tuple[Mutation, Verdict]]) -> str:
    lines = ["| # | broken | noticed by | seconds |", "| ---: | --- | --- | ---: |"]
    for number, (mutation, verdict) in enumerate(rows, 1):
        told = " ".join(verdict.told.replace("|", " ").split())
        lines.append(f"| {number} | {mutation.what} | {told} | {verdict.seconds:.0f} |")
    noticed = sum(bool(verdict.caught_by) for _, verdict in rows)
    return "\n".join([*lines, "", f"{noticed} of {len(rows)} mutants were noticed."])


def _name(mutation: Mutation, project: Path) -> str:
    """What tells a mutant from all others, and from itself once its file has changed."""
    whole = (project / mutation.file).read_text(encoding="utf-8")
    told = "\0".join((mutation.what, mutation.file, *sum(mutation.pieces, ()), whole))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _digest_of_dbt_project(project: Path) -> str:
    """What tells two states of the dbt project apart, its tests left out."""
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
        place = path.relative_to(project)
        if path.is_file() and place.parts[0] in ("models", "macros", "seeds", "dbt_project.yml"):
            digest.update(f"{place}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class Results:
    """The verdicts of this run and earlier ones, in a file with a line for each."""

    def __init__(self, path: Path, project: Path) -> None:
        """project: a copy of the unbroken project; verdicts on another state of it are not known."""
        self._path = path
        self._project = _digest_of_dbt_project(project)
        self._names = {mutation: _name(mutation, project) for mutation in MUTATIONS}
        self._lock = threading.Lock()
        self._known: dict[str, Verdict] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                told = json.loads(line)
                if told["project"] == self._project:
                    self._known[told["mutant"]] = Verdict(
                        told["caught_by"], told["seconds"], did_not_run=told["did_not_run"]
                    )

    def of(self, mutation: Mutation) -> Verdict | None:
        """What is known of a mutant."""
        return self._known.get(self._names[mutation])

    def note(self, mutation: Mutation, verdict: Verdict) -> None:
        """Write down a verdict, at once."""
        line = {
            "project": self._project,
            "mutant": self._names[mutation],
            "what": mutation.what,
            "caught_by": verdict.caught_by,
            "did_not_run": verdict.did_not_run,
            "seconds": round(verdict.seconds, 1),
        }
        with self._lock:
            self._known[self._names[mutation]] = verdict
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def table(self) -> str:
        """The table of all mutants of which something is known."""
        return table_of([(one, verdict) for one in MUTATIONS if (verdict := self.of(one))])

    def write_table(self) -> None:
        """Write it beside the verdicts, when there are any."""
        if self._path.is_file():
            self._path.with_suffix(".md").write_text(self.table() + "\n", encoding="utf-8")
