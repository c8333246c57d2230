"""What earlier jobs left: their reports, and folders without one of jobs that were killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RUNNING = "running.json"
REPORT = "report.json"
DBT_LOG = "dbt.log"
KILLED_LOG = "dbt-of-the-killed.log"
"""dbt's log of the last job that was killed, in the folder of the next one."""
FILES = ("checkpoint.html", DBT_LOG, KILLED_LOG)
"""What may be in a job's folder beside its report."""


@dataclass
class Earlier:
    """The newest reports of the same catalog that there is something to compare with in.

    Each with the name of its folder, as `folder`; None where no job that is remembered went so far.
    """

    last: Mapping[str, Any] | None = None
    """Of the last job, however it ended."""
    counted: Mapping[str, Any] | None = None
    """Of the last one that counted rows."""
    tested: Mapping[str, Any] | None = None
    """Of the last one that ran tests."""
    deployed: Mapping[str, Any] | None = None
    """Of the last one whose deploy succeeded."""

    @property
    def is_complete(self) -> bool:
        """Whether an older report can add nothing."""
        return None not in (self.last, self.counted, self.tested, self.deployed)

    def add(self, folder: str, data: Mapping[str, Any]) -> None:
        """Take the next older report into account."""
        found = {**data, "folder": folder}
        self.last = self.last or found
        if data["rows"]["datasets"]:
            self.counted = self.counted or found
        if data["tests_run"]:
            self.tested = self.tested or found
        # reports of before there was a second mode do not say it
        if data.get("facts"):
            self.deployed = self.deployed or found


class JobFolders:
    """The folder of one job, among those of earlier ones.

    Args:
        state: the folder that they are in.
        started_at: when this job began, in UTC.

    Attributes:
        folder: this job's.
        earlier: what there is to compare with; known once `begin` was called, as are the next two.
        killed: a sentence for each job that was ended before it could write a report.
        seeds: {seed: checksum} as the last job of this catalog loaded them; None where there was no job.
    """

    def __init__(self, state: Path, started_at: datetime) -> None:
        self._state = state
        self._started_at = started_at
        self.folder = state / f"{started_at:%Y%m%dT%H%M%S}Z-{os.getpid()}"
        self.earlier = Earlier()
        self.killed: list[str] = []
        self.seeds: Mapping[str, str] | None = None

    def begin(self, about: Mapping[str, str]) -> None:
        """Make the job's folder, and see what earlier jobs of the same catalog left.

        Args:
            about: which catalog the job is about: target, database, host, schema and more.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.note_running(about, "connect")
        for folder in sorted(self._state.glob("*Z-*"), reverse=True):
            if folder == self.folder:
                continue
            if not (folder / REPORT).exists():
                self._clear(folder, about)
            elif not self.earlier.is_complete:
                found = read_json(folder / REPORT)
                if found and _is_same_catalog(found.get("about"), about):
                    self.earlier.add(folder.name, found)
                    if self.seeds is None:
                        self.seeds = found["seeds"]

    def _clear(self, folder: Path, about: Mapping[str, str]) -> None:
        """Remove what a job without a report left; its log is kept when it is the last one."""
        running = read_json(folder / RUNNING) or {}
        if _is_same_catalog(running.get("about"), about):
            self.killed.append(
                f"The job that began at {moment(running['started_at'])} on {running['host']} was ended "
                f"during {running['step']}, before it could write a report."
            )
            if len(self.killed) == 1:
                # there may be no log yet, or no way to keep it
                with contextlib.suppress(OSError):
                    (folder / DBT_LOG).replace(self.folder / KILLED_LOG)
        shutil.rmtree(folder, ignore_errors=True)

    def note_running(self, about: Mapping[str, str], step: str) -> None:
        """Write down which step is under way, for the case that the job is killed in it."""
        running = {
            "about": dict(about),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "step": step,
        }
        write_whole(self.folder / RUNNING, json.dumps(running, indent=2))

    def files(self) -> list[str]:
        """Names of what is in the job's folder beside its report."""
        return [name for name in FILES if (self.folder / name).exists()]

    def end(self, keep: int) -> None:
        """The report is written: the job does not run any more, and of the reports the newest `keep` stay."""
        (self.folder / RUNNING).unlink(missing_ok=True)
        done = [one for one in sorted(self._state.glob("*Z-*")) if (one / REPORT).exists()]
        for folder in done[:-keep]:
            shutil.rmtree(folder, ignore_errors=True)


def _is_same_catalog(one: Mapping[str, str] | None, other: Mapping[str, str]) -> bool:
    names = ("target", "database", "host", "schema")
    return one is not None and all(one.get(name) == other.get(name) for name in names)


def read_json(path: Path) -> dict[str, Any] | None:
    """What a file holds; None where it is missing or was not written to its end."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there with all of its text or not at all, whenever the process is killed."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    # a message may hold half of a character, from a database or a file's name of another encoding
    new.write_text(text, encoding="utf-8", errors="backslashreplace")
    new.replace(path)


def moment(at: datetime | str) -> str:
    """A moment as a person reads it, in UTC, to the second."""
    read = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{read.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
