"""What the steps of a job share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from timeback_analytics.audit import Finding
from timeback_analytics.job.dbt_runs import DbtRuns, Ran
from timeback_analytics.job.history import JobFolders
from timeback_analytics.job.interruption import Interruption
from timeback_analytics.job.live_catalog import LiveCatalog
from timeback_analytics.job.lock import JobLock, is_connection_trouble
from timeback_analytics.job.options import Options
from timeback_analytics.job.refreshes import Refreshes


class ConnectionBrokeError(Exception):
    """The connection broke; the step is worth another try."""


@dataclass
class Work:
    """What a step works with, and what it leaves for later ones and for the report.

    Attributes:
        options: what is asked for.
        dbt: runs dbt.
        lock: keeps other jobs out.
        catalog: the live catalog.
        folders: this job's folder, and what earlier jobs left.
        refreshes: what the stored models took in.
        interruption: whether the job is to end.
        on_progress: called with (step, done, total) while a step is under way.
        about: target, database, host, schema, role, server; empty where a connection would say it.
        manifest: dbt's, once the project was read.
        ran: what came of dbt's commands: freshness, deploy, tests.
        broken_before: rules that were broken before the deploy; security_events: those that it mended.
        causes: failing tests of sources, each with what it breaks.
        rows: {dataset: {rows, before, seconds, error}}; rows_how: how they were counted.
    """

    options: Options
    dbt: DbtRuns
    lock: JobLock
    catalog: LiveCatalog
    folders: JobFolders
    refreshes: Refreshes
    interruption: Interruption
    on_progress: Callable[[str, int, int], None]
    about: dict[str, str]
    manifest: dict[str, Any] = field(default_factory=dict)
    ran: dict[str, Ran] = field(default_factory=dict)
    broken_before: list[Finding] = field(default_factory=list)
    security_events: list[str] = field(default_factory=list)
    causes: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows_how: str = ""

    def run_dbt(self, *arguments: str) -> Ran:
        """Run dbt.

        Raises:
            ConnectionBrokeError: what failed is the connection.
            NoConnectionError: the lock is gone.
        """
        ran = self.dbt.invoke(*arguments)
        self.interruption.raise_if_asked()
        if not ran.success:
            for message in ran.messages:
                if is_connection_trouble(message):
                    raise ConnectionBrokeError(message)
            self.lock.check()
        return ran

    def look_at_refreshes(self) -> None:
        """See what stored models were refreshed since the last look."""
        with self.catalog.session() as conn:
            self.refreshes.look(conn)

    def seeds(self) -> dict[str, Mapping[str, Any]]:
        """{name: node} of the project's seeds."""
        nodes = self.manifest.get("nodes", {}).values()
        return {node["name"]: node for node in nodes if node["resource_type"] == "seed"}

    def loaded_seeds(self) -> dict[str, str]:
        """{seed: checksum of its file} as they are loaded now."""
        if "deploy" not in self.ran:
            return dict(self.folders.seeds or {})
        return {name: node["checksum"]["checksum"] for name, node in self.seeds().items()}

    def project_variable(self, name: str) -> Any:
        """A dbt variable's value in dbt_project.yml; None where it is not set there."""
        text = (self.options.project / "dbt_project.yml").read_text(encoding="utf-8")
        return (yaml.safe_load(text).get("vars") or {}).get(name)
