"""What a job is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        target: dbt's target.
        schema: the published schema.
        project: the folder of dbt_project.yml.
        state: the folder of the reports.
        select: dbt selections of the tests to run; every data test where there is none.
        tests: whether to run tests; check: whether to check the live catalog; rows: whether to count rows.
        audit: whether to audit the live catalog.
        alert_command, alert_url: what to notify of a job that is not green; see job.alert.
        rows_timeout: how long counting one dataset's rows may take, in seconds.
        variables: dbt's --vars.
        threads: dbt's threads; None for the profile's.
        retries: how often a step whose connection breaks is tried again.
        keep: how many reports are kept.
    """

    target: str
    schema: str
    project: Path
    state: Path
    select: Sequence[str] = ()
    tests: bool = True
    check: bool = True
    rows: bool = True
    audit: bool = True
    alert_command: str = ""
    alert_url: str = ""
    rows_timeout: float = 60.0
    variables: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None
    retries: int = 5
    keep: int = 30
