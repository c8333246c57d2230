"""Breaks the project in many ways, one at a time, and tells which test notices. `make mutants` runs it.

A mutant is a copy of the checkout with one text replaced (mutations.py). What it changes is deployed into
a database of its own, then the tests that should notice run, until one of them fails. The unbroken project
goes first: its tests must pass, or a mutant's failing ones would say nothing. Exits with 1 when a mutant
is not noticed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg
from psycopg import sql

from mutants.mutations import EXPECTATION, MUTATIONS, ON_ONE_DATABASE, Mutation
from project_copy import copy_project, replace
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

QUICK_EXAMPLES = "8"
"""How many examples the expectation is asked at first; most mutants show in the first few."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    caught_by: str | None
    """The test that failed, or what dbt said; None when nothing noticed."""
    seconds: float
    output: str = ""
    """What the tests printed, when nothing noticed or they did not run."""
    did_not_run: bool = False


class Workshop:
    """A server with the unbroken catalog in a database, and the unbroken project beside it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server = EmbeddedServer(
            home / "pgdata", {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
        )
        self.pristine = copy_project(home / "pristine")

    def open(self) -> None:
        """Start the server and deploy the unbroken catalog."""
        self.server.start()
        self._admin("create database {name}", name="pristine")
        with psycopg.connect(self.server.dsn("pristine")) as conn:
            create_operational_schema(conn, "operational")
        deployed = self._dbt(self.pristine, "pristine", "run")
        if deployed.returncode:
            sys.exit(f"The unbroken project cannot be deployed:\n{deployed.stdout}")

    def close(self) -> None:
        """Stop the server."""
        self.server.stop()

    def try_project(self, name: str, mutation: Mutation | None, tests: Sequence[str]) -> Verdict:
        """Break a copy of the project, or leave it whole, and run tests on it until one fails."""
        started = time.monotonic()
        project = Path(shutil.copytree(self.pristine, self.home / name))
        try:
            if mutation:
                replace(project, mutation.file, mutation.old, mutation.new)
            caught_by, output, did_not_run = self._noticed(name, project, mutation, tests)
        finally:
            shutil.rmtree(project)
        return Verdict(caught_by, time.monotonic() - started, output, did_not_run)

    def _noticed(
        self, name: str, project: Path, mutation: Mutation | None, tests: Sequence[str]
    ) -> tuple[str | None, str, bool]:
        with self._database(name) as database:
            if mutation and any(test in ON_ONE_DATABASE for test in tests):
                selection = ["--select", *mutation.selection.split()] if mutation.selection else []
                # a mutant's columns are to be found out by a test, and not kept out by the deploy
                deployed = self._dbt(project, database, "run", "--vars", "replace_columns: true", *selection)
                if deployed.returncode:
                    return f"dbt run: {_reason(deployed.stdout)}", "", False
            output = ""
            for test, environment in _stages(tests):
                if test in ON_ONE_DATABASE:
                    environment = {**environment, "TIMEBACK_CATALOG_DSN": self.server.dsn(database)}
                ran = self._pytest(project, test, environment)
                output += ran.stdout
                if ran.returncode == 1:
                    return _failed_test(ran.stdout) or f"{test} fails", "", False
                if ran.returncode != 0:
                    return None, output, True
            return None, output, False

    @contextmanager
    def _database(self, name: str) -> Iterator[str]:
        self._admin("create database {name} template {template}", name=name, template="pristine")
        try:
            yield name
        finally:
            self._admin("drop database {name} with (force)", name=name)

    def _admin(self, statement: str, **names: str) -> None:
        with psycopg.connect(self.server.dsn("postgres"), autocommit=True) as conn:
            identifiers = {key: sql.Identifier(value) for key, value in names.items()}
            conn.execute(sql.SQL(statement).format(**identifiers))

    def _dbt(self, project: Path, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        shutil.copy(project / "profiles.yml.example", project / "profiles.yml")
        return _run(
            [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments],
            project,
            {
                "DBT_PROFILES_DIR": str(project),
                "TIMEBACK_EMBEDDED_HOST": str(self.server.socket_dir),
                "TIMEBACK_EMBEDDED_DATABASE": database,
            },
        )

    def _pytest(
        self, project: Path, test: str, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-rf", "--no-header", "-p", "no:cacheprovider"]
        return _run([*command, test], project, environment)


def _stages(tests: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Test files, each with its environment; the expectation is asked few examples before it is asked all."""
    tests = list(tests)
    if EXPECTATION in tests:
        yield EXPECTATION, {"TIMEBACK_EXAMPLES": QUICK_EXAMPLES}
    for test in tests:
        yield test, {}


def _run(
    command: Sequence[str | Path], cwd: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    usual = {
        name: value for name, value in os.environ.items() if not name.startswith(("PG", "DBT_", "TIMEBACK_"))
    }
    return subprocess.run(
        command,
        cwd=cwd,
        env={**usual, **environment, "PYTHONPATH": str(cwd / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _failed_test(output: str) -> str | None:
    """The first test that pytest calls failed, without its folder."""
    found = re.search(r"^(?:FAILED|ERROR) python_tests/(\S+)", output, re.MULTILINE)
    return found[1] if found else None


def _reason(output: str) -> str:
    """What dbt found wrong, in a line."""
    found = re.search(r"(?:Error|error) in model (\w+)[^\n]*\n\s*(?:[\d:]+\s+)?\s*(\S[^\n]*)", output)
    if found:
        return f"{found[1]}: {found[2]}"
    return next((line.strip() for line in output.splitlines() if "rror" in line), "fails")


def _table(rows: Sequence[tuple[Mutation, Verdict]]) -> str:
    lines = ["| # | broken | noticed by | seconds |", "| ---: | --- | --- | ---: |"]
    for number, (mutation, verdict) in enumerate(rows, 1):
        outcome = "tests did not run" if verdict.did_not_run else verdict.caught_by or "**nothing**"
        lines.append(f"| {number} | {mutation.what} | {outcome.replace('|', ' ')} | {verdict.seconds:.0f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    """Run the mutants that the arguments select; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time, 2 by default")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="those whose description or file has this text"
    )
    parser.add_argument(
        "--without-control", action="store_true", help="do not test the unbroken project first"
    )
    options = parser.parse_args(arguments)

    chosen = [one for one in MUTATIONS if options.only.lower() in f"{one.what} {one.file}".lower()]
    if not chosen:
        parser.error(f"no mutant has {options.only!r} in its description or file")
    home = Path(tempfile.mkdtemp(prefix="tbm-", dir="/tmp")).resolve()
    # a server that root has run by another user must reach its own folder
    home.chmod(0o711)
    workshop = Workshop(home)
    try:
        workshop.open()
        with ThreadPoolExecutor(options.jobs) as pool:
            if not options.without_control:
                asked = sorted({test for mutation in chosen for test in mutation.tests})
                for number, verdict in enumerate(
                    pool.map(
                        lambda job: workshop.try_project(f"control_{job[0]}", None, [job[1]]),
                        enumerate(asked),
                    )
                ):
                    if verdict.caught_by or verdict.did_not_run:
                        say(verdict.output)
                        say(f"{asked[number]} fails on the unbroken project: {verdict.caught_by}")
                        return 1
                say(f"The unbroken project passes {', '.join(asked)}.")

            def judge(job: tuple[int, Mutation]) -> Verdict:
                number, mutation = job
                verdict = workshop.try_project(f"mutant_{number}", mutation, mutation.tests)
                say(f"{number}/{len(chosen)} {mutation.what}: {verdict.caught_by or 'NOT NOTICED'}")
                return verdict

            verdicts = list(pool.map(judge, enumerate(chosen, 1)))
    finally:
        workshop.close()
        shutil.rmtree(home, ignore_errors=True)

    rows = list(zip(chosen, verdicts, strict=True))
    for mutation, verdict in rows:
        if not verdict.caught_by:
            say(f"\n{mutation.what} ({mutation.file})\n{verdict.output[-3000:]}")
    noticed = sum(bool(verdict.caught_by) for verdict in verdicts)
    say(f"\n{_table(rows)}\n\n{noticed} of {len(rows)} mutants were noticed.")
    return 0 if noticed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
