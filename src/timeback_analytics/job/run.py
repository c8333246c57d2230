"""One job, from the lock to the report."""

from __future__ import annotations

import contextlib
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
import yaml

from timeback_analytics.checkpoint import is_installed
from timeback_analytics.connection import connection_string
from timeback_analytics.errors import TimebackError, sentence_about
from timeback_analytics.job import alert, report
from timeback_analytics.job.dbt_runs import DbtRuns, profiles_folder
from timeback_analytics.job.history import DBT_LOG, JobFolders, moment
from timeback_analytics.job.interruption import Interruption, JobInterruptedError
from timeback_analytics.job.live_catalog import LiveCatalog
from timeback_analytics.job.lock import (
    AnotherJobError,
    JobLock,
    NoConnectionError,
    StrangerError,
    is_connection_trouble,
)
from timeback_analytics.job.options import Options
from timeback_analytics.job.outcome import Exit, Outcome, Step
from timeback_analytics.job.plan import PLAN
from timeback_analytics.job.refreshes import Refreshes
from timeback_analytics.job.work import ConnectionBrokeError, Work

LONGEST_WAIT_SECONDS = 60.0
SAID_LINES = 20
"""How many of a step's details are said at once; the report has all."""
BROKEN_CONNECTION = (ConnectionBrokeError, NoConnectionError, psycopg.OperationalError)
LOCK_LOST = "the session that keeps other jobs out was lost"


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
        self._started = datetime.now(UTC)
        self._steps: list[Step] = []
        self._step_began = 0.0
        self._tries: list[str] = []
        self._interruption = Interruption(Exit.INTERRUPTED)
        self._lock = JobLock(
            lambda: connection_string(options.target), options.schema, self._interruption.stop_step
        )
        folders = JobFolders(options.state, self._started)
        self._work = Work(
            options=options,
            dbt=DbtRuns(
                project=options.project,
                profiles=profiles_folder(options.project),
                target=options.target,
                folder=folders.folder,
                parsed=options.state / "partial_parse.msgpack",
                variables=yaml.safe_dump(dict(options.variables), default_flow_style=True),
                threads=options.threads,
                on_progress=lambda done, total: on_progress(self._steps[-1].name, done, total),
            ),
            lock=self._lock,
            catalog=LiveCatalog(options.target, options.schema),
            folders=folders,
            refreshes=Refreshes(options.schema),
            interruption=self._interruption,
            on_progress=on_progress,
            # what is not known without a connection is empty
            about={
                **dict.fromkeys(("target", "database", "host", "schema", "role", "server"), ""),
                "target": options.target,
                "schema": options.schema,
            },
        )

    def run(self) -> tuple[Exit, dict[str, Any] | None]:
        """Do it all; gives how it ends and the report, None where there is none because nothing was done."""
        with self._interruption.heard():
            try:
                return self._finish(self._take_steps())
            except AnotherJobError as error:
                if len(self._steps) > 1:
                    # this one was under way, and lost its lock to the other one
                    return self._break_off(Exit.ANOTHER_JOB, "connect", str(error))
                self._say(f"{error} This one does nothing.")
                return Exit.ANOTHER_JOB, None
            except NoConnectionError as error:
                self._fail_step("connect", str(error))
                is_strangers = isinstance(error, StrangerError)
                return self._finish(Exit.STRANGER if is_strangers else Exit.NO_CONNECTION)
            except (KeyboardInterrupt, JobInterruptedError):
                by = self._interruption.signal or "SIGINT"
                return self._break_off(Exit.INTERRUPTED, "interrupted", f"ended by {by}")
            except (TimebackError, OSError) as error:
                return self._break_off(Exit.UNFORESEEN, "job", str(error))
            except Exception as error:
                # whatever it is: a job without a report leaves the one before it to be read as the latest
                sentence = sentence_about(error) or f"{type(error).__name__}: {' '.join(str(error).split())}"
                trace = "".join(traceback.format_exception(error)).strip()
                return self._break_off(Exit.UNFORESEEN, "job", sentence, [trace])
            finally:
                self._lock.release()

    def _take_steps(self) -> Exit:
        """Connect, and take the steps of the plan."""
        # a log that jobs append to shows whose lines follow
        self._say(f"Job of {moment(self._started)}")
        if self._options.check and not is_installed():
            self._say(
                "  Great Expectations is not installed: the check of the live catalog will be left out."
            )
        self._take(Step("connect"), self._connect)
        folders = self._work.folders
        folders.begin(self._work.about)
        for sentence in folders.killed:
            self._say(f"  {sentence}")
        code = Exit.GREEN
        is_stopped = False
        for planned in PLAN:
            step = Step(planned.name)
            if is_stopped and not planned.is_always_run:
                self._steps.append(step)
                continue
            folders.note_running(self._work.about, planned.name)
            self._take(step, partial(planned.take, self._work))
            self._say_step(step)
            if step.status == "failed":
                code = code or planned.code
                is_stopped = is_stopped or planned.stops_others
        return code

    # -- one step -------------------------------------------------------------------------------------

    def _take(self, step: Step, action: Callable[[Step], None]) -> None:
        """Take a step; when the connection breaks, get a new one and take it again, with a growing wait."""
        self._steps.append(step)
        self._step_began = started = time.monotonic()
        tried = 0
        while True:
            try:
                self._try(step, action)
                break
            except (*BROKEN_CONNECTION, KeyboardInterrupt) as error:
                if isinstance(error, KeyboardInterrupt) and not self._lock.is_lost:
                    raise
                self._interruption.raise_if_asked()
                if isinstance(error, psycopg.OperationalError) and not is_connection_trouble(str(error)):
                    raise
                why = self._explained(" ".join(str(error).split()).rstrip(".")) or LOCK_LOST
                is_final = isinstance(error, NoConnectionError) and error.is_final
                if tried >= self._options.retries or is_final:
                    step.status, step.sentence = "failed", why
                    if isinstance(error, StrangerError):
                        raise
                    raise NoConnectionError(why, is_final=True) from error
                self._wait(step, why, tried)
                tried += 1
        if step.status == "failed":
            timeouts = (self._lock.whose_timeout(detail) for detail in step.details)
            step.details += sorted({said for said in timeouts if said})
        step.seconds = round(time.monotonic() - started, 1)

    def _try(self, step: Step, action: Callable[[Step], None]) -> None:
        """Take a step once, with the lock held all the time."""
        self._interruption.raise_if_asked()
        if not self._lock.is_held and step.name != "connect":
            self._connect(Step("connect"))
        with self._interruption.in_step():
            action(step)
        self._interruption.raise_if_asked()
        if self._lock.is_lost:
            raise ConnectionBrokeError(LOCK_LOST)

    def _wait(self, step: Step, why: str, tried: int) -> None:
        """Note that the connection broke, and wait a while: 1, 2, 4, ... seconds."""
        wait = min(2.0**tried, LONGEST_WAIT_SECONDS)
        self._tries.append(f"{step.name}: {why}; tried again after {wait:.0f} s")
        self._say(f"  {why}. Trying again in {wait:.0f} s ({tried + 1} of {self._options.retries}).")
        self._lock.release()
        step.details.clear()
        step.warnings.clear()
        time.sleep(wait)

    def _connect(self, step: Step) -> None:
        """Take the lock, and see what it is a lock of."""
        try:
            conn = self._lock.acquire()
        except (AnotherJobError, NoConnectionError):
            raise
        except TimebackError as error:
            raise NoConnectionError(str(error), is_final=True) from error
        self._work.about = {
            "target": self._options.target,
            "database": conn.info.dbname,
            "host": conn.info.host,
            "schema": self._options.schema,
            "role": conn.info.user,
            "server": conn.info.parameter_status("server_version") or "",
        }
        step.status, step.sentence = "ok", "connected, and no other job runs"

    # -- the end --------------------------------------------------------------------------------------

    def _break_off(
        self, code: Exit, name: str, sentence: str, details: Sequence[str] = ()
    ) -> tuple[Exit, dict[str, Any]]:
        """End in the middle of a step, or before the first one, which then has this name."""
        self._fail_step(name, sentence, details)
        if any(step.name == "deploy" for step in self._steps):
            # what was refreshed before, if the database answers
            with contextlib.suppress(psycopg.Error, TimebackError):
                self._work.look_at_refreshes()
        return self._finish(code)

    def _fail_step(self, name: str, sentence: str, details: Sequence[str] = ()) -> None:
        """Note in the step that was under way why it ended."""
        if self._steps and self._steps[-1].status in ("not run", "failed"):
            step = self._steps[-1]
            step.seconds = round(time.monotonic() - self._step_began, 1)
        else:
            step = Step(name)
            self._steps.append(step)
        step.status, step.sentence = "failed", self._explained(sentence)
        self._say_step(step)
        # for readers of the report
        step.details += details

    def _explained(self, sentence: str) -> str:
        """What went wrong, and whose timeout it was, if it was one."""
        timeout = self._lock.whose_timeout(sentence)
        return f"{sentence.rstrip('.')}. {timeout}" if timeout else sentence

    def _say_step(self, step: Step) -> None:
        if step.status == "not run":
            return
        self._say(f"{step.name:<8} {step.status:<8} {step.seconds:>7.1f} s  {step.sentence}")
        if step.status == "failed" or step.name == "deploy":
            # tests and the check warn of much that is the same each time
            lines = [*step.details, *(step.warnings if step.name == "deploy" else ())]
            for detail in lines[:SAID_LINES]:
                for line in detail.splitlines()[:12]:
                    self._say(f"    {line}")
            if len(lines) > SAID_LINES:
                self._say(f"    and {len(lines) - SAID_LINES} more, in the report")

    def _finish(self, code: Exit) -> tuple[Exit, dict[str, Any]]:
        """Write the report, keep the newest ones, and say in one line how it went."""
        work, folders = self._work, self._work.folders
        if code is Exit.GREEN:
            (folders.folder / DBT_LOG).unlink(missing_ok=True)
        outcome = Outcome(
            code=code,
            about=work.about,
            started_at=self._started,
            finished_at=datetime.now(UTC),
            steps=self._steps,
            tries=self._tries,
            killed=folders.killed,
            files=folders.files(),
            deployed=work.ran.get("deploy"),
            tested=work.ran.get("tests"),
            refreshed=work.refreshes.done,
            variables=self._options.variables,
            security_events=work.security_events,
            causes=work.causes,
            rows=work.rows,
            rows_how=work.rows_how,
            seeds=work.loaded_seeds(),
            earlier=folders.earlier,
        )
        data = report.as_data(outcome)
        try:
            page = report.write(data, folders.folder, self._options.state)
        except OSError as error:
            self._say(f"{data['sentence']} Its report cannot be written: {error}")
            return code or Exit.UNFORESEEN, data
        shutil.rmtree(work.dbt.target_path, ignore_errors=True)
        folders.end(self._options.keep)
        self._say(f"{data['sentence']} Report: {page}" + (f" Next: {data['next']}" if data["next"] else ""))
        if code is not Exit.GREEN or work.security_events:
            alert.send(data, str(page), self._options.alert_command, self._options.alert_url, self._say)
        return code, data
