"""Which steps a job takes, in which order, and what follows from one that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from timeback_analytics.job.outcome import Exit, Step
from timeback_analytics.job.steps.audit import audit_catalog
from timeback_analytics.job.steps.deploy import deploy, report_refreshes
from timeback_analytics.job.steps.rows import count_rows
from timeback_analytics.job.steps.sources import check_sources, read_project
from timeback_analytics.job.steps.verify import check_promises, run_tests
from timeback_analytics.job.work import Work


@dataclass(frozen=True)
class Planned:
    """A step that a job takes once it is connected.

    Attributes:
        name: as the report calls it.
        take: takes it, and notes in the Step what came of it.
        code: how the job ends when this is the first step that fails.
        stops_others: whether those behind it are not run when it fails.
        is_always_run: whether it is run even so: it says what state the catalog is in.
    """

    name: str
    take: Callable[[Work, Step], None]
    code: Exit
    stops_others: bool = False
    is_always_run: bool = False


PLAN = (
    Planned("project", read_project, Exit.DEPLOY, stops_others=True),
    Planned("sources", check_sources, Exit.SOURCES, stops_others=True),
    Planned("deploy", deploy, Exit.DEPLOY, stops_others=True),
    Planned("refresh", report_refreshes, Exit.DEPLOY, stops_others=True, is_always_run=True),
    Planned("audit", audit_catalog, Exit.AUDIT),
    Planned("tests", run_tests, Exit.TESTS),
    Planned("check", check_promises, Exit.CHECK),
    Planned("rows", count_rows, Exit.CHECK, is_always_run=True),
)
