"""The ways in which the project is broken on purpose, each a small patch file in patches/.

A patch begins with what it breaks and which tests should notice:

    what: people of no organization are seen
    tests: python_tests/test_scope.py
    models: what dbt deploys again, in its way of selecting; without, the file's model and all above it

Then follows a unified diff of one file. A piece of it applies where its lines stand, wherever in the file
that is, and they must stand there exactly once. A patch that no longer applies is to be written again (break
the new lines in the same way, git diff, and keep the head), or deleted when what it broke is gone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PATCHES = Path(__file__).resolve().parent / "patches"

EXPECTATION = "python_tests/test_expectation.py"
ON_ONE_DATABASE = (
    EXPECTATION,
    "python_tests/test_invariants.py",
    "python_tests/test_contracts.py",
    "python_tests/test_roar.py",
)
"""Tests that take a deployed catalog as it is; the others deploy for themselves."""


@dataclass(frozen=True)
class Mutation:
    """A way to break the project.

    Attributes:
        name: its patch, without the folder of all patches.
        what: what is broken, for the table of results.
        file: the file that is changed.
        pieces: (lines as they are, lines as they should not be), which stand in the file once.
        tests: the test files to ask, those that should notice first.
        models: what dbt deploys again; empty for the file's model and all above it.
    """

    name: str
    what: str
    file: str
    pieces: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]
    models: str = ""

    @property
    def selection(self) -> str:
        """What dbt deploys again; empty stands for everything."""
        path = PurePosixPath(self.file)
        if self.models or path.parts[0] != "models":
            return self.models
        return f"{path.stem}+"

    def apply(self, project: Path) -> None:
        """Break a copy of the project.

        Raises:
            ValueError: the patch does not apply, or in more than one place.
        """
        path = project / self.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for old, new in self.pieces:
            if text.count(old) != 1:
                raise ValueError(
                    f"Write the mutant {self.name} again: {self.file} has these lines {text.count(old)} "
                    f"times, and not once:\n{old}"
                )
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def read_patch(path: Path) -> Mutation:
    """The mutant of a patch file.

    Raises:
        ValueError: the file is not written as the module's text says.
    """
    head, _, diff = path.read_text(encoding="utf-8").partition("\n--- a/")
    told = dict(re.findall(r"^(\w+): (.+)$", head, re.MULTILINE))
    lines = diff.splitlines(keepends=True)
    pieces: list[tuple[str, str]] = []
    for line in lines[2:]:
        if line.startswith("@@"):
            pieces.append(("", ""))
            continue
        old, new = pieces[-1]
        mark, rest = line[0], line[1:]
        if mark not in " -+":
            raise ValueError(f"{path}: no line of a diff: {line}")
        pieces[-1] = (old + rest * (mark in " -"), new + rest * (mark in " +"))
    if told.keys() - {"what", "tests", "models"} or not told.keys() >= {"what", "tests"} or not pieces:
        raise ValueError(f"{path} needs what, tests and a diff, and may have models beside them")
    return Mutation(
        name=str(path.relative_to(PATCHES)),
        what=told["what"],
        file=lines[0].strip(),
        pieces=tuple(pieces),
        tests=tuple(told["tests"].split()),
        models=told.get("models", ""),
    )


MUTATIONS = [read_patch(path) for path in sorted(PATCHES.rglob("*.patch"))]
