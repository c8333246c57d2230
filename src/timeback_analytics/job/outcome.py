"""What came of a job and of each of its steps."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from timeback_analytics.job.dbt_runs import Ran
from timeback_analytics.job.history import Earlier
from timeback_analytics.job.refreshes import Refreshed


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
    STRANGER = 10
    AUDIT = 11


@dataclass
class Step:
    """A step and what came of it."""

    name: str
    status: str = "not run"
    """ok, warning, failed, skipped (on purpose) or not run (because of an earlier failure)."""
    sentence: str = ""
    details: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What is not as it should be, and is not a failure."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Everything that a job's report says.

    Attributes:
        code: how the job ended.
        about: target, database, host, schema, role, server.
        started_at: when it began, in UTC; finished_at: when it ended.
        steps: every step, in order.
        tries: a sentence for each connection that broke.
        killed: a sentence for each earlier job that never wrote a report.
        files: names of what else is in the job's folder.
        deployed: what came of dbt run; tested: of dbt test.
        refreshed: what the stored models took in.
        variables: dbt's, as they were given.
        security_events: a sentence for each rule that was broken before the deploy and mended by it.
        causes: failing tests of sources, each with what it breaks.
        rows: {dataset: {rows, before, seconds, error}}; rows_how: how they were counted.
        seeds: {seed: checksum of its file} as loaded.
        earlier: what to compare with.
    """

    code: Exit
    about: Mapping[str, str]
    started_at: datetime
    finished_at: datetime
    steps: Sequence[Step]
    tries: Sequence[str] = ()
    killed: Sequence[str] = ()
    files: Sequence[str] = ()
    deployed: Ran | None = None
    tested: Ran | None = None
    refreshed: Mapping[str, Refreshed] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    security_events: Sequence[str] = ()
    causes: Sequence[Mapping[str, Any]] = ()
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rows_how: str = ""
    seeds: Mapping[str, str] = field(default_factory=dict)
    earlier: Earlier = field(default_factory=Earlier)

    @property
    def facts(self) -> str:
        """What the heavy datasets read since this deploy: stored or live; empty where it did not succeed."""
        if self.deployed is None or not self.deployed.success:
            return ""
        return "stored" if any(one.is_stored for one in self.deployed.results) else "live"
