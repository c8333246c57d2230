"""Breaks the project in many ways, one at a time, and tells which test notices. `make mutants` runs it.

A mutant is a copy of the checkout with a patch applied (mutation.py). What it changes is deployed into
a database of its own, then the tests that should notice run, until one of them fails. The unbroken project
goes first: its tests must pass, or a mutant's failing ones would say nothing. Exits with 1 when a mutant
is not noticed, or its tests did not run: skipped or never finished counts as that.

Each verdict goes into a file as it comes (target/mutants.jsonl), and the table of all that are in it is
beside it (target/mutants.md) at the end, or when the run is stopped. --resume takes from that file the
mutants that were noticed while the project was what it is now: tests may have come in between.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import psycopg
from psycopg import sql

from mutants.mutation import EXPECTATION, MUTATIONS, ON_ONE_DATABASE, Mutation
from mutants.results import Results, Verdict, table_of
from project_copy import ROOT, copy_project
from server_kit import without_settings
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

QUICK_EXAMPLES = "8"
"""How many examples the expectation is asked at first; most mutants show in the first few."""

PATIENCE = 1500
"""Seconds that dbt or a file of tests has; longer, and a mutant keeps it from ending."""

RESULTS = ROOT / "target" / "mutants.jsonl"


@dataclass(frozen=True)
class Ran:
    """What came of a command."""

    returncode: int | None
    """None when it did not end."""
    stdout: str


class Workshop:
    """A server with the unbroken catalog in a database, and the unbroken project beside it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server = EmbeddedServer(
            home / "pgdata", {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
        )
        self.pristine = copy_project(home / "pristine")
        self._benches: SimpleQueue[str] = SimpleQueue()

    def open(self, jobs: int) -> None:
        """Start the server, deploy the unbroken catalog, and make a work bench for each job.

        A bench is a database, and a copy of the project that dbt has parsed for a database of that name:
        then it parses no more than what a mutant changes.
        """
        self.server.start()
        self._admin("create database {name}", name="pristine")
        with psycopg.connect(self.server.dsn("pristine")) as conn:
            create_operational_schema(conn, "operational")
        deployed = self._dbt(self.pristine, "pristine", "run")
        if deployed.returncode:
            sys.exit(f"The unbroken project cannot be deployed:\n{deployed.stdout}")
        for number in range(jobs):
            bench = f"bench_{number}"
            project = Path(shutil.copytree(self.pristine, self._parsed_for(bench)))
            self._dbt(project, bench, "parse")
            self._benches.put(bench)

    def _parsed_for(self, bench: str) -> Path:
        return self.home / f"{bench}_parsed"

    def close(self) -> None:
        """Stop the server."""
        self.server.stop()

    def try_project(self, name: str, mutation: Mutation | None, tests: Sequence[str]) -> Verdict:
        """Break a copy of the project, or leave it whole, and run tests on it until one fails."""
        started = time.monotonic()
        bench = self._benches.get()
        project = Path(shutil.copytree(self._parsed_for(bench), self.home / name))
        try:
            if mutation:
                mutation.apply(project)
            verdict = self._noticed(bench, project, mutation, tests)
        finally:
            shutil.rmtree(project, ignore_errors=True)
            self._benches.put(bench)
        return replace_fields(verdict, seconds=time.monotonic() - started)

    def _noticed(self, bench: str, project: Path, mutation: Mutation | None, tests: Sequence[str]) -> Verdict:
        """The verdict, without its time."""
        with self._database(bench) as database:
            if mutation and any(test in ON_ONE_DATABASE for test in tests):
                selection = ["--select", *mutation.selection.split()] if mutation.selection else []
                # a mutant's columns are to be found out by a test, and not kept out by the deploy
                deployed = self._dbt(project, database, "run", "--vars", "replace_columns: true", *selection)
                if deployed.returncode is None:
                    return Verdict(None, 0, deployed.stdout, "dbt run did not end")
                if deployed.returncode and (reason := refusal(deployed.stdout)):
                    return Verdict(f"dbt run: {reason}", 0)
                if deployed.returncode:
                    return Verdict(None, 0, deployed.stdout, "dbt run breaks")
            output, silent = "", ""
            for test, environment in _stages(tests):
                if test in ON_ONE_DATABASE:
                    environment = {**environment, "TIMEBACK_CATALOG_DSN": self.server.dsn(database)}
                ran = self._pytest(project, test, environment)
                output += ran.stdout
                # where pytest itself breaks, it ends with 1 too
                if ran.returncode == 1 and (failed := _failed_test(ran.stdout)):
                    return Verdict(failed, 0, ran.stdout)
                silent = silent or why_silent(test, ran)
            return Verdict(None, 0, output, silent)

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

    def _dbt(self, project: Path, database: str, *arguments: str) -> Ran:
        shutil.copy(project / "profiles.yml.example", project / "profiles.yml")
        return run_for(
            [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments],
            project,
            {
                "DBT_PROFILES_DIR": str(project),
                "TIMEBACK_EMBEDDED_HOST": str(self.server.socket_dir),
                "TIMEBACK_EMBEDDED_DATABASE": database,
            },
        )

    def _pytest(self, project: Path, test: str, environment: dict[str, str]) -> Ran:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-rfEs",
            "--no-header",
            "-p",
            "no:cacheprovider",
        ]
        return run_for([*command, test], project, environment)


def _stages(tests: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Test files, each with its environment; the expectation is asked few examples before it is asked all."""
    tests = list(tests)
    if EXPECTATION in tests:
        yield EXPECTATION, {"TIMEBACK_EXAMPLES": QUICK_EXAMPLES}
    for test in tests:
        yield test, {}


def run_for(
    command: Sequence[str | Path],
    cwd: Path,
    environment: dict[str, str],
    patience: float = PATIENCE,
    grace: float = 60,
) -> Ran:
    """Run a command for at most `patience` seconds; asked to end, it has `grace` seconds to do so."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={
            **without_settings(),
            **environment,
            "PYTHONPATH": str(cwd / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        # asked to end, pytest stops the server that it has started; only then it is made to
        try:
            stdout, _ = process.communicate(timeout=patience)
            return Ran(process.returncode, stdout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=grace)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return Ran(None, process.communicate()[0])


def why_silent(test: str, ran: Ran) -> str:
    """Why a file of tests that did not fail says nothing all the same; empty when it ran."""
    if ran.returncode is None:
        return f"{test} did not end in {PATIENCE} seconds"
    if ran.returncode != 0:
        return f"pytest {test} ends with {ran.returncode}"
    if re.search(r"\b\d+ passed", ran.stdout):
        return ""
    reasons = re.findall(r"^SKIPPED \[\d+\] \S+ (.+)$", ran.stdout, re.MULTILINE)
    return f"{test} is skipped" + (f", {reasons[0]}" if reasons else "")


def _failed_test(output: str) -> str | None:
    """The first test that pytest calls failed, without its folder."""
    found = re.search(r"^(?:FAILED|ERROR) python_tests/(.+?)(?: - .*)?$", output, re.MULTILINE)
    return found[1] if found else None


def refusal(output: str) -> str | None:
    """What dbt or the database finds wrong with the project, in a line; None where dbt itself broke."""
    found = re.search(
        r"(?:Compilation|Parsing|Database|Runtime) Error in (?:model|macro|test) (\w+)[^\n]*\n"
        r"\s*(?:[\d:]+\s+)?\s*(\S[^\n]*)",
        output,
    )
    return f"{found[1]}: {found[2]}" if found else None


_say_at_once = partial(print, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time, 2 by default")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="those whose description, patch, file or test files have this text; repeatable",
    )
    parser.add_argument("--resume", action="store_true", help="leave out those that were noticed before")
    parser.add_argument("--list", action="store_true", help="print what there is, and run nothing")
    parser.add_argument(
        "--without-control", action="store_true", help="do not test the unbroken project first"
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="the file of verdicts; target/mutants.jsonl by default"
    )
    return parser


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = _say_at_once) -> int:
    """Run the mutants that the arguments select; gives the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)

    wanted = [text.lower() for text in options.only] or [""]
    described = {one: f"{one.what} {one.name} {one.file} {' '.join(one.tests)}".lower() for one in MUTATIONS}
    chosen = [one for one, words in described.items() if any(text in words for text in wanted)]
    if not chosen:
        parser.error(f"no mutant has {' or '.join(options.only)} in its description, file or test files")
    if options.list:
        for mutation in chosen:
            say(f"{mutation.name}: {mutation.what}")
        return 0
    # a shell's background jobs ignore it, and so would the tests that are to be ended with it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="tbm-", dir="/tmp")).resolve()
    # a server that root has run by another user must reach its own folder
    home.chmod(0o711)
    workshop = Workshop(home)
    results = Results(options.results, workshop.pristine)
    if options.resume:
        chosen = [one for one in chosen if not ((known := results.of(one)) and known.caught_by)]
    try:
        workshop.open(options.jobs)
        with ThreadPoolExecutor(options.jobs) as pool:
            if not options.without_control and not _control(workshop, pool, chosen, say):
                return 1

            def judge(job: tuple[int, Mutation]) -> Verdict:
                number, mutation = job
                verdict = workshop.try_project(f"mutant_{number}", mutation, mutation.tests)
                results.note(mutation, verdict)
                say(f"{number}/{len(chosen)} {mutation.what}: {verdict.told}")
                return verdict

            try:
                verdicts = list(pool.map(judge, enumerate(chosen, 1)))
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        workshop.close()
        shutil.rmtree(home, ignore_errors=True)
        results.write_table()

    rows = list(zip(chosen, verdicts, strict=True))
    for mutation, verdict in rows:
        if not verdict.caught_by:
            say(f"\n{mutation.what} ({mutation.file})\n{verdict.output[-3000:]}")
    say(f"\n{results.table() if options.resume else table_of(rows)}")
    return 0 if all(verdict.caught_by for verdict in verdicts) else 1


def _control(
    workshop: Workshop, pool: ThreadPoolExecutor, chosen: Sequence[Mutation], say: Callable[[str], None]
) -> bool:
    """Whether the unbroken project passes the tests that the mutants are asked; says which it does not."""
    asked = sorted({test for mutation in chosen for test in mutation.tests})

    def passes(job: tuple[int, str]) -> Verdict:
        return workshop.try_project(f"control_{job[0]}", None, [job[1]])

    good = []
    for test, verdict in zip(asked, pool.map(passes, enumerate(asked)), strict=True):
        if verdict.caught_by:
            say(f"{verdict.output}\n{test} fails on the unbroken project: {verdict.caught_by}")
        elif verdict.did_not_run:
            # the mutants that it is for will say the same
            say(f"{test} says nothing here: {verdict.did_not_run}")
            good.append(test)
        else:
            say(f"The unbroken project passes {test} ({verdict.seconds:.0f} s).")
            good.append(test)
    return good == asked


if __name__ == "__main__":
    sys.exit(main())
