"""The steps of a job, one after the other, and what came of each."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import shutil
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql

from timeback_analytics.checkpoint import Checkpoint, may_be_scoped, models_behind, suites
from timeback_analytics.checkpoint_report import as_data, lines_about, status
from timeback_analytics.checkpoint_report import write as write_checkpoint
from timeback_analytics.connection import connection_string
from timeback_analytics.errors import TimebackError
from timeback_analytics.job import report
from timeback_analytics.job.dbt_runs import DbtRuns, Ran, Result, profiles_folder
from timeback_analytics.job.lock import AnotherJobError, JobLock, NoConnectionError, is_connection_trouble
from timeback_analytics.job.refreshes import Refreshes, in_words
from timeback_analytics.lineage import published_models, read_manifest

LONGEST_WAIT_SECONDS = 60.0
REMIND_SECONDS = 10.0
"""How long a step that was told to end may take before it is told again."""
SETTINGS = ("app.allowed_org_ids", "app.allowed_roar_org_ids")
"""Whose scope a session asks for."""
SAID_LINES = 20
"""How many of a step's details are said at once; the report has all."""
RUNNING = "running.json"
REPORT = "report.json"
DBT_LOG = "dbt.log"
KILLED_LOG = "dbt-of-the-killed.log"
"""dbt's log of the last job that was killed, in the folder of the next one."""
FILES = ("checkpoint.html", DBT_LOG, KILLED_LOG)
"""What may be in a job's folder beside its report."""


class Exit(enum.IntEnum):
    """How a job ends: the exit code of `timeback job`."""

    GREEN = 0
    UNFORESEEN = 1
    USAGE = 2
    ANOTHER_JOB = 3
    NO_CONNECTION = 4
    SOURCES = 5
    DEPLOY = 6
    TESTS = 7
    CHECK = 8
    INTERRUPTED = 9


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    target: str
    schema: str
    project: Path
    state: Path
    select: Sequence[str] = ()
    tests: bool = True
    check: bool = True
    rows: bool = True
    rows_timeout: float = 60.0
    variables: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None
    retries: int = 5
    keep: int = 30


@dataclass
class Step:
    """A step and what came of it."""

    name: str
    status: str = "not run"
    """ok, warning, failed, skipped (on purpose) or not run (because of an earlier failure)."""
    sentence: str = ""
    details: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What is not as it should be, and is no failure."""
    seconds: float = 0.0


class _TransientError(Exception):
    """The connection broke; the step is worth another try."""


class JobInterruptedError(Exception):
    """Somebody asked the job to end."""


class Job:
    """One job, from the lock to the report.

    Args:
        options: what is asked for.
        say: prints a line for a user.
        on_progress: called with (step, done, total) while a step is under way.
    """

    def __init__(
        self,
        options: Options,
        say: Callable[[str], None] = print,
        on_progress: Callable[[str, int, int], None] = lambda step, done, total: None,
    ) -> None:
        self._options = options
        self._say = say
        self._on_progress = on_progress
        self._signal: str | None = None
        self._is_in_step = False
        self._lock = JobLock(lambda: connection_string(options.target), options.schema, self._lost)
        self._started = datetime.now(UTC)
        self._folder = options.state / f"{self._started:%Y%m%dT%H%M%S}Z-{os.getpid()}"
        self._steps: list[Step] = []
        self._step_began = 0.0
        self._tries: list[str] = []
        # what is not known without a connection is empty
        self._about = dict.fromkeys(("target", "database", "host", "schema", "role", "server"), "")
        self._about |= {"target": options.target, "schema": options.schema}
        self._killed: list[str] = []
        self._earlier = report.Earlier()
        self._refreshes = Refreshes(options.schema)
        self._loaded_seeds: dict[str, str] | None = None
        self._ran: dict[str, Ran] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._rows_how = ""
        self._manifest: dict[str, Any] = {}
        self._dbt = DbtRuns(
            project=options.project,
            profiles=profiles_folder(options.project),
            target=options.target,
            folder=self._folder,
            parsed=options.state / "partial_parse.msgpack",
            variables=yaml.safe_dump(dict(options.variables), default_flow_style=True),
            threads=options.threads,
            on_progress=lambda done, total: self._on_progress(self._steps[-1].name, done, total),
        )

    def run(self) -> tuple[Exit, dict[str, Any] | None]:
        """Do it all; gives how it ends and the report, None where there is none because nothing was done."""
        with self._signals():
            try:
                return self._run()
            except AnotherJobError as error:
                if len(self._steps) > 1:
                    # this one was under way, and lost its lock to the other one
                    self._fail_rest("connect", str(error))
                    self._see_refreshes()
                    return self._finish(Exit.ANOTHER_JOB)
                self._say(f"{error} This one does nothing.")
                return Exit.ANOTHER_JOB, None
            except NoConnectionError as error:
                self._fail_rest("connect", str(error))
                return self._finish(Exit.NO_CONNECTION)
            except (KeyboardInterrupt, JobInterruptedError):
                self._fail_rest("interrupted", f"ended by {self._signal or 'SIGINT'}")
                self._see_refreshes()
                return self._finish(Exit.INTERRUPTED)
            except Exception as error:
                # whatever it is: a job without a report leaves the one before it to be read as the latest
                is_plain = isinstance(error, TimebackError | OSError)
                self._fail_rest(
                    "job",
                    str(error) if is_plain else f"{type(error).__name__}: {' '.join(str(error).split())}",
                    [] if is_plain else ["".join(traceback.format_exception(error)).strip()],
                )
                self._see_refreshes()
                return self._finish(Exit.UNFORESEEN)
            finally:
                self._lock.release()

    # -- the way through ---------------------------------------------------------------------------

    def _run(self) -> tuple[Exit, dict[str, Any]]:
        # a log that jobs append to shows whose lines follow
        self._say(f"Job of {report.moment(self._started)}")
        self._with_retries(Step("connect"), self._connect)
        self._begin_folder()
        code = Exit.GREEN
        plan: list[tuple[str, Callable[[Step], None], Exit, bool]] = [
            ("project", self._read_project, Exit.DEPLOY, True),
            ("sources", self._check_sources, Exit.SOURCES, True),
            ("deploy", self._deploy, Exit.DEPLOY, True),
            ("refresh", self._refresh, Exit.DEPLOY, True),
            ("tests", self._test, Exit.TESTS, False),
            ("check", self._check, Exit.CHECK, False),
            ("rows", self._count_rows, Exit.CHECK, False),
        ]
        stopped = False
        for name, action, exit_code, is_needed in plan:
            step = Step(name)
            if stopped and name not in ("refresh", "rows"):
                self._steps.append(step)
                continue
            self._note_running(name)
            self._with_retries(step, action)
            self._say_step(step)
            if step.status == "failed":
                code = code or exit_code
                stopped = stopped or is_needed
        return self._finish(code)

    def _with_retries(self, step: Step, action: Callable[[Step], None]) -> None:
        """Take a step; when the connection breaks, get a new one and take it again, with a growing wait."""
        self._steps.append(step)
        self._step_began = started = time.monotonic()
        tried = 0
        while True:
            try:
                self._raise_if_interrupted()
                if not self._lock.is_held and step.name != "connect":
                    self._connect(Step("connect"))
                self._is_in_step = True
                try:
                    action(step)
                finally:
                    self._is_in_step = False
                self._raise_if_interrupted()
                if self._lock.is_lost:
                    raise _TransientError("the session that keeps other jobs out was lost")
                break
            except (_TransientError, NoConnectionError, KeyboardInterrupt, psycopg.OperationalError) as error:
                if isinstance(error, KeyboardInterrupt) and not self._lock.is_lost:
                    raise
                self._raise_if_interrupted()
                if isinstance(error, psycopg.OperationalError) and not is_connection_trouble(str(error)):
                    raise
                why = (
                    " ".join(str(error).split()).rstrip(".")
                    or "the session that keeps other jobs out was lost"
                )
                if tried >= self._options.retries or getattr(error, "is_final", False):
                    step.status, step.sentence = "failed", why
                    raise NoConnectionError(why, is_final=True) from error
                wait = min(2.0**tried, LONGEST_WAIT_SECONDS)
                tried += 1
                self._tries.append(f"{step.name}: {why}; tried again after {wait:.0f} s")
                self._say(f"  {why}. Trying again in {wait:.0f} s ({tried} of {self._options.retries}).")
                self._lock.release()
                step.details.clear()
                step.warnings.clear()
                time.sleep(wait)
        step.seconds = round(time.monotonic() - started, 1)

    def _connect(self, step: Step) -> None:
        try:
            conn = self._lock.acquire()
        except TimebackError as error:
            if isinstance(error, AnotherJobError | NoConnectionError):
                raise
            raise NoConnectionError(str(error), is_final=True) from error
        self._about = {
            "target": self._options.target,
            "database": conn.info.dbname,
            "host": conn.info.host,
            "schema": self._options.schema,
            "role": conn.info.user,
            "server": conn.info.parameter_status("server_version") or "",
        }
        step.status, step.sentence = "ok", "connected, and no other job runs"

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turns the signals that ask a process to end into KeyboardInterrupt, which dbt cleans up after."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(number: int, frame: Any) -> None:
            if number == signal.SIGUSR1:
                if self._is_in_step:
                    raise KeyboardInterrupt
                return
            if self._signal is not None:
                # whoever asks twice does not want to wait for a report
                os._exit(Exit.INTERRUPTED)
            self._signal = signal.Signals(number).name
            # Python drops what is raised while it clears an object away, and the step goes on
            reminder.start()
            raise KeyboardInterrupt

        reminder = threading.Timer(REMIND_SECONDS, self._lost)
        reminder.daemon = True
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
        before = {number: signal.signal(number, interrupt) for number in numbers}
        try:
            yield
        finally:
            reminder.cancel()
            if reminder.is_alive():
                reminder.join()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _lost(self) -> None:
        """The lock is gone, so another job may begin, or the job was told to end: what is under way must."""
        if threading.main_thread().is_alive():
            os.kill(os.getpid(), signal.SIGUSR1)

    def _raise_if_interrupted(self) -> None:
        if self._signal is not None:
            raise JobInterruptedError

    # -- dbt ------------------------------------------------------------------------------------------

    def _invoke(self, *arguments: str) -> Ran:
        """Run dbt.

        Raises:
            _TransientError: what failed is the connection.
        """
        ran = self._dbt.invoke(*arguments)
        self._raise_if_interrupted()
        if not ran.success:
            for message in ran.messages:
                if is_connection_trouble(message):
                    raise _TransientError(message)
            self._lock.check()
        return ran

    def _read_project(self, step: Step) -> None:
        ran = self._dbt.parse()
        self._raise_if_interrupted()
        if not ran.success:
            step.status, step.sentence, step.details = "failed", "dbt cannot read the project", ran.messages
            return
        self._manifest = read_manifest(self._dbt.target_path / "manifest.json")
        models = [node for node in self._manifest["nodes"].values() if node["resource_type"] == "model"]
        datasets = len(published_models(self._manifest))
        step.status, step.sentence = "ok", f"{len(models)} models, {datasets} of them datasets"

    def _check_sources(self, step: Step) -> None:
        ran = self._invoke("run-operation", "check_sources")
        if not ran.success:
            step.status, step.sentence = "failed", "the operational tables are not what the catalog reads"
            step.details = ran.messages
            return
        tables = len(self._manifest["sources"])
        step.status, step.sentence = "ok", f"{tables} tables, as the catalog reads them"
        asked_for = self._options.variables.get("source_freshness") or self._project_variable(
            "source_freshness"
        )
        if not asked_for:
            return
        if unknown := sorted(set(asked_for) - {node["name"] for node in self._manifest["sources"].values()}):
            step.status, step.sentence = "failed", f"source_freshness names no table: {', '.join(unknown)}"
            return
        fresh = self._invoke("source", "freshness")
        self._ran["freshness"] = fresh
        looked_at = [one for one in fresh.results if one.kind == "source"]
        stale = [one for one in looked_at if one.status != "pass"]
        step.details = [
            f"{one.name}: {one.status}{f', {one.message}' if one.message else ''}" for one in stale
        ]
        if not fresh.success:
            step.status = "failed"
            step.sentence += "; their newest rows are too old: " + ", ".join(
                one.name for one in stale if one.status != "warn"
            )
            step.details += fresh.messages
        elif stale:
            step.status = "warning"
            step.sentence += f"; {len(stale)} get old"
        else:
            step.sentence += f"; {len(looked_at)} fresh enough"

    def _project_variable(self, name: str) -> Any:
        text = (self._options.project / "dbt_project.yml").read_text(encoding="utf-8")
        return (yaml.safe_load(text).get("vars") or {}).get(name)

    def _deploy(self, step: Step) -> None:
        # also what a try before this one refreshed
        self._look_at_refreshes()
        seeds = self._seeds_to_load()
        if seeds:
            seeded = self._invoke("seed", "--select", *seeds)
            if not seeded.success:
                step.status, step.sentence, step.details = "failed", "seeds failed", seeded.messages
                return
        ran = self._invoke("run")
        self._ran["deploy"] = ran
        models = [one for one in ran.results if one.kind == "model"]
        counts: dict[str, int] = {}
        for one in models:
            counts[one.outcome] = counts.get(one.outcome, 0) + 1
        said = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        step.details = [*(f"{one.name}: {one.message}" for one in ran.results if one.failed), *ran.notes]
        step.warnings = list(ran.warnings)
        if ran.success:
            step.status, step.sentence = "warning" if ran.warnings else "ok", said
        else:
            step.status = "failed"
            step.sentence = said or "dbt run stopped before the first model"
            step.details = [ran.error] * bool(ran.error) + step.details

    def _seeds_to_load(self) -> list[str]:
        """Names of the seeds whose file is not the one that was last loaded into this catalog."""
        seeds = [node for node in self._manifest["nodes"].values() if node["resource_type"] == "seed"]
        with self._session() as conn:
            return [
                node["name"]
                for node in seeds
                if (self._loaded_seeds or {}).get(node["name"]) != node["checksum"]["checksum"]
                or conn.execute(
                    "select to_regclass(%s)", [f"{_quoted(node['schema'])}.{_quoted(node['alias'])}"]
                ).fetchone()[0]
                is None
            ]

    def _refresh(self, step: Step) -> None:
        """What is stored was brought up to date by `dbt run`; here it is told."""
        ran = self._ran.get("deploy")
        if ran is None or not (ran.success or ran.results):
            return
        self._look_at_refreshes()
        stored = [one for one in ran.results if one.is_stored]
        if not stored:
            # after a failed deploy views may read on what an earlier one stored
            if ran.success:
                step.status, step.sentence = "skipped", "nothing is stored: every dataset reads live"
            return
        done = self._refreshes.done
        behind = [one for one in stored if one.name not in done]
        step.status = "failed" if behind else "ok"
        step.sentence = (
            f"{len(stored) - len(behind)} of {len(stored)} stored models brought up to date, "
            f"which took {sum(one.seconds for one in stored):.1f} s of the deploy: {in_words(done.values())}"
        )
        step.details = [self._refresh_in_words(one) for one in stored]

    def _refresh_in_words(self, model: Result) -> str:
        done = self._refreshes.done.get(model.name)
        if done is None:
            last = self._refreshes.last_times.get(model.name)
            state = f"shows the state of {report.moment(last)}" if last else "has no rows yet"
            return f"{model.name}: not brought up to date, {state}"
        how = f"{in_words([done])}, {model.seconds:.1f} s"
        if done.since is None:
            return f"{model.name}: filled for the first time, {how}"
        if done.is_whole:
            return f"{model.name}: worked out anew as a whole, {how}"
        changed = ", ".join(f"{name} {count:,}" for name, count in done.changed_rows.items())
        return f"{model.name}: {how}; rows new or corrected since {report.moment(done.since)}: {changed}"

    def _look_at_refreshes(self) -> None:
        with self._session() as conn:
            self._refreshes.look(conn)

    def _see_refreshes(self) -> None:
        """See what was refreshed before the job came to its end, if the database answers."""
        if any(step.name == "deploy" for step in self._steps):
            with contextlib.suppress(psycopg.Error, TimebackError):
                self._look_at_refreshes()

    def _test(self, step: Step) -> None:
        if not self._options.tests:
            step.status, step.sentence = "skipped", "left out by --no-tests"
            return
        selection = [*(("--select", *self._options.select) if self._options.select else ())]
        left_out: list[str] = []
        if not self._ask_may_see_everyone():
            left_out = [node["name"] for node in published_models(self._manifest) if may_be_scoped(node)]
        ran = self._invoke(
            "test",
            *selection,
            # unit tests are about the code, which is the same every night
            *("--exclude-resource-type", "unit_test"),
            *(("--exclude", *left_out) if left_out else ()),
        )
        self._ran["tests"] = ran
        tests = [one for one in ran.results if one.kind == "test"]
        failed = [one for one in tests if one.failed]
        warned = [one for one in tests if one.status == "warn"]
        step.sentence = f"{len(tests)} tests, {len(failed)} failed, {len(warned)} warned"
        if left_out:
            step.sentence += f"; those of {len(left_out)} scoped datasets are left out, see below"
            step.details.append(self._why_not_everyone("Tests of scoped datasets"))
        step.details += [f"{one.name}: {one.message}" for one in failed]
        step.warnings = [f"{one.name}: {one.message}" for one in warned]
        if ran.success:
            step.status = "warning" if warned or left_out else "ok"
        else:
            step.status = "failed"
            step.details += [ran.error] * bool(ran.error)

    # -- the live catalog -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _session(self) -> Iterator[psycopg.Connection]:
        """A session that reads, with a scope of everybody where it is allowed.

        Raises:
            psycopg.OperationalError: there is no connection.
        """
        with psycopg.connect(
            connection_string(self._options.target),
            autocommit=True,
            connect_timeout=20,
            application_name="timeback job",
        ) as conn:
            conn.execute("set default_transaction_read_only = on")
            yield conn

    def _ask_may_see_everyone(self) -> bool:
        """Whether the deploying role may ask for every organization; the scope itself is asked."""
        scope = sql.Identifier(f"{self._options.schema}_internal", "int_caller_scope")
        with self._session() as conn:
            conn.execute("select set_config(%s, '*', false)", [SETTINGS[0]])
            try:
                found = conn.execute(sql.SQL("select is_everyone from {}").format(scope)).fetchone()
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable):
                found = None
        return bool(found and found[0])

    def _why_not_everyone(self, what: str) -> str:
        return (
            f"{what} need a role that may ask for every organization, and {self._about['role']} may not. "
            f"To have them: grant timeback_unrestricted to {_quoted(self._about['role'])};"
        )

    def _check(self, step: Step) -> None:
        if not self._options.check:
            step.status, step.sentence = "skipped", "left out by --no-check"
            return
        if not self._ask_may_see_everyone():
            step.status, step.sentence = "skipped", self._why_not_everyone("The rules of scoped datasets")
            return
        try:
            checkpoint = Checkpoint(connection_string(self._options.target), self._options.schema, "*")
        except TimebackError as error:
            if "needs Great Expectations" not in str(error):
                raise _TransientError(str(error)) from error
            step.status, step.sentence = "skipped", str(error)
            return
        results = []
        try:
            wanted = suites(self._manifest, self._options.schema)
            for number, suite in enumerate(wanted, 1):
                results.append((suite, checkpoint.run(suite)))
                self._raise_if_interrupted()
                self._on_progress("check", number, len(wanted))
            about = checkpoint.about()
        finally:
            checkpoint.close()
        data = as_data(results, {"target": self._options.target, **about}, datetime.now(UTC))
        write_checkpoint(data, self._folder)
        counts = data["counts"]
        step.sentence = (
            f"{counts['passed']} rules hold, {counts['failed']} failed, {counts['warning']} warned"
        )
        if data["nothing_shown"] and self._source_is_empty():
            step.status, step.sentence = (
                "skipped",
                "the operational tables are empty: there is nothing to check",
            )
            return
        for outcome in (outcome for _, found in results for outcome in found):
            # without the keys of the rows, which the page has
            lines = "\n".join(list(lines_about(outcome))[:2])
            if status(outcome) == "failed":
                step.details.append(lines)
            elif status(outcome) == "warning":
                step.warnings.append(lines)
        step.status = "failed" if not data["success"] else "warning" if counts["warning"] else "ok"

    def _source_is_empty(self) -> bool:
        """Whether there are no people, so that no scoped dataset could show any."""
        users = sql.Identifier(f"{self._options.schema}_internal", "stg_one_roster_user")
        with self._session() as conn:
            return conn.execute(sql.SQL("select not exists (select from {})").format(users)).fetchone()[0]

    def _count_rows(self, step: Step) -> None:
        if not self._options.rows:
            step.status, step.sentence = "skipped", "left out by --no-rows"
            return
        if not self._manifest:
            step.status, step.sentence = "skipped", "the project could not be read"
            return
        everyone = self._ask_may_see_everyone()
        before = (self._earlier.counted or {}).get("rows", {}).get("datasets", {})
        datasets = published_models(self._manifest)
        with self._session() as conn:
            for setting in SETTINGS:
                conn.execute("select set_config(%s, '*', false)", [setting])
            conn.execute(
                "select set_config('statement_timeout', %s, false)",
                [f"{self._options.rows_timeout * 1000:.0f}"],
            )
            for number, node in enumerate(datasets, 1):
                self._rows[node["name"]] = self._count(conn, node, everyone, before.get(node["name"], {}))
                self._raise_if_interrupted()
                self._on_progress("rows", number, len(datasets))
        self._rows_how = (
            "with scope *, every organization"
            if everyone
            else "of scoped datasets in the model behind the scope. "
            + self._why_not_everyone("Counts through the scope")
        )
        broken = {name: found["error"] for name, found in self._rows.items() if found["error"]}
        late = [name for name, found in self._rows.items() if found["rows"] is None and not found["error"]]
        total = sum(found["rows"] or 0 for found in self._rows.values())
        step.sentence = f"{total:,} rows in {len(datasets)} datasets"
        if late:
            step.details.append(
                f"Not counted within {self._options.rows_timeout:g} s: {', '.join(late)}. "
                "--rows-timeout gives longer."
            )
        if not everyone:
            step.details.append("Counted " + self._rows_how)
        if broken:
            step.status = "failed"
            step.sentence += f"; {len(broken)} cannot be read"
            step.details += [f"{name}: {error}" for name, error in broken.items()]
        else:
            step.status = "warning" if late else "ok"

    def _count(
        self, conn: psycopg.Connection, node: Mapping[str, Any], everyone: bool, before: Mapping[str, Any]
    ) -> dict[str, Any]:
        """{rows, before, seconds, error} of a dataset; rows is None where they could not be counted."""
        relations = [sql.Identifier(self._options.schema, node["alias"])]
        if may_be_scoped(node) and not everyone:
            relations = [
                sql.Identifier(model["schema"], model["alias"])
                for model in models_behind(node, self._manifest)
            ]
        started = time.monotonic()
        counted: dict[str, Any] = {"rows": None, "before": before.get("rows"), "error": None}
        try:
            counted["rows"] = sum(
                conn.execute(sql.SQL("select count(*) from {}").format(relation)).fetchone()[0]
                for relation in relations
            )
        except psycopg.errors.QueryCanceled:
            pass
        except psycopg.OperationalError as error:
            raise _TransientError(str(error)) from error
        except psycopg.Error as error:
            counted["error"] = " ".join(str(error).split())
        return {**counted, "seconds": round(time.monotonic() - started, 2)}

    # -- what is left behind --------------------------------------------------------------------------

    def _begin_folder(self) -> None:
        """Make the job's folder, and see what earlier jobs left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._note_running("connect")
        for folder in sorted(self._options.state.glob("*Z-*"), reverse=True):
            if folder == self._folder:
                continue
            if not (folder / REPORT).exists():
                running = _read_json(folder / RUNNING) or {}
                if _same_catalog(running.get("about"), self._about):
                    self._killed.append(
                        f"The job that began at {report.moment(running['started_at'])} on "
                        f"{running['host']} was ended "
                        f"during {running['step']}, before it could write a report."
                    )
                    if len(self._killed) == 1:
                        # the folder goes; there may be no log yet, or no way to keep it
                        with contextlib.suppress(OSError):
                            (folder / DBT_LOG).replace(self._folder / KILLED_LOG)
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            if self._earlier.is_complete:
                continue
            found = _read_json(folder / REPORT)
            if found and _same_catalog(found.get("about"), self._about):
                self._earlier.add(folder.name, found)
                if self._loaded_seeds is None:
                    self._loaded_seeds = found["seeds"]
        for sentence in self._killed:
            self._say(f"  {sentence}")

    def _note_running(self, step: str) -> None:
        running = {
            "about": self._about,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": self._started.isoformat(timespec="seconds"),
            "step": step,
        }
        report.write_whole(self._folder / RUNNING, json.dumps(running, indent=2))

    def _fail_rest(self, name: str, sentence: str, details: Sequence[str] = ()) -> None:
        """Note in the step that was under way why it ended."""
        if self._steps and self._steps[-1].status in ("not run", "failed"):
            step = self._steps[-1]
            step.seconds = round(time.monotonic() - self._step_began, 1)
        else:
            step = Step(name)
            self._steps.append(step)
        step.status, step.sentence = "failed", sentence
        step.details += details
        self._say_step(step)

    def _facts(self) -> str:
        """What the heavy datasets read since this deploy: stored or live; empty where it did not succeed."""
        ran = self._ran.get("deploy")
        if ran is None or not ran.success:
            return ""
        return "stored" if any(one.is_stored for one in ran.results) else "live"

    def _say_step(self, step: Step) -> None:
        if step.status == "not run":
            return
        self._say(f"{step.name:<8} {step.status:<8} {step.seconds:>7.1f} s  {step.sentence}")
        if step.status == "failed" or step.name == "deploy":
            # tests and the check warn of much that is the same each time
            told = [*step.details, *(step.warnings if step.name == "deploy" else ())]
            for detail in told[:SAID_LINES]:
                for line in detail.splitlines()[:12]:
                    self._say(f"    {line}")
            if len(told) > SAID_LINES:
                self._say(f"    and {len(told) - SAID_LINES} more, in the report")

    def _finish(self, code: Exit) -> tuple[Exit, dict[str, Any]]:
        """Write the report, keep the newest ones, and say in one line how it went."""
        if code is Exit.GREEN:
            (self._folder / DBT_LOG).unlink(missing_ok=True)
        data = report.as_data(
            code=code,
            about=self._about,
            started_at=self._started,
            finished_at=datetime.now(UTC),
            steps=self._steps,
            tries=self._tries,
            killed=self._killed,
            files=[name for name in FILES if (self._folder / name).exists()],
            deployed=self._ran.get("deploy"),
            tested=self._ran.get("tests"),
            refreshed=self._refreshes.done,
            facts=self._facts(),
            variables=self._options.variables,
            rows=self._rows,
            rows_how=self._rows_how,
            seeds={
                node["name"]: node["checksum"]["checksum"]
                for node in self._manifest["nodes"].values()
                if node["resource_type"] == "seed"
            }
            if "deploy" in self._ran
            else self._loaded_seeds or {},
            earlier=self._earlier,
        )
        try:
            page = report.write(data, self._folder, self._options.state)
        except OSError as error:
            self._say(f"{data['sentence']} Its report cannot be written: {error}")
            return code or Exit.UNFORESEEN, data
        (self._folder / RUNNING).unlink(missing_ok=True)
        shutil.rmtree(self._dbt.target_path, ignore_errors=True)
        done = [one for one in sorted(self._options.state.glob("*Z-*")) if (one / REPORT).exists()]
        for folder in done[: -self._options.keep]:
            shutil.rmtree(folder, ignore_errors=True)
        self._say(f"{data['sentence']} Report: {page}" + (f" Next: {data['next']}" if data["next"] else ""))
        return code, data


def _same_catalog(one: Mapping[str, str] | None, other: Mapping[str, str]) -> bool:
    names = ("target", "database", "host", "schema")
    return one is not None and all(one.get(name) == other.get(name) for name in names)


def _read_json(path: Path) -> dict[str, Any] | None:
    """What a file holds; None where it is missing or was not written to its end."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)
