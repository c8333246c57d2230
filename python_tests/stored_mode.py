"""What the tests of the materialized mode, the soak and the benchmark share: refreshes, and comparisons.

A refresh without dbt is the very SQL that a `dbt run` left in its target folder, run again: starting dbt for
each would take most of the time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import psycopg


@dataclass(frozen=True)
class StoredRefreshes:
    """How the stored models of a database are brought up to date.

    Attributes:
        database: its name.
        schema: the published schema of the catalog that stores them.
        datasets: those that the stored models are under.
        scripts: the SQL of each stored model, which runs in a transaction of its own.
        made_from: the operational tables of each, {source: schema and table}.
        slot: the replication slot that changes are read from; none where it is empty.
        batch: how many changes of the log are read at once.
    """

    database: str
    schema: str
    datasets: tuple[str, ...]
    scripts: dict[str, str]
    made_from: dict[str, dict[str, str]]
    slot: str = ""
    batch: int = 200_000

    @classmethod
    def of(
        cls, target: Path, database: str, schema: str = "analytics", operational: str = "operational"
    ) -> Self:
        """Those that the last `dbt run` with stored facts did.

        Args:
            target: dbt's target folder of that run.
            database: where it ran.
            schema: the published schema.
            operational: the schema of the operational tables.
        """
        manifest: dict[str, Any] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
        stored = _stored_models(manifest)
        scripts = {
            path.stem: path.read_text(encoding="utf-8")
            for path in (target / "run").rglob("*.sql")
            if "models" in path.parts
        }
        return cls(
            database,
            schema,
            tuple(
                sorted(node["name"] for node in _models_above(manifest, stored) if "datasets" in node["fqn"])
            ),
            {node["name"]: scripts[node["name"]] for node in stored},
            {
                node["name"]: {
                    source: f"{operational}.{source}" for source in node["config"]["meta"]["made_from"]
                }
                for node in stored
            },
        )

    @property
    def internal(self) -> str:
        """The internal schema of that catalog."""
        return f"{self.schema}_internal"

    def in_copy(self, name: str) -> Self:
        """The same in a copy of the database, of that name; without the slot, which is not copied."""
        scripts = {
            model: script.replace(f'"{self.database}".', f'"{name}".')
            for model, script in self.scripts.items()
        }
        return replace(self, database=name, scripts=scripts, slot="")

    def with_slot(self, conn: psycopg.Connection, *, via_root: bool = True) -> Self:
        """The same with changes read from a new slot and publication, called as the database is.

        `via_root` is whether changes of partitions come as ones of the whole table, and ids alone, which a
        publication can say from PostgreSQL 15 on.
        """
        ids = " (id)" if via_root and conn.info.server_version >= 150000 else ""
        tables = sorted({table for of_model in self.made_from.values() for table in of_model.values()})
        names = ", ".join(f"{table}{ids}" for table in tables)
        conn.execute(
            f"create publication {self.database} for table {names} "
            f"with (publish_via_partition_root = {via_root})"
        )
        conn.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [self.database])
        return replace(self, slot=self.database)

    def collect(self, conn: psycopg.Connection) -> list[str]:
        """Read the log to its end, in batches as the hook collect_changes does; gives what is in the way."""
        while True:
            problems, is_done = conn.execute(
                f"select problems, is_done from {self.internal}.collect_changes(%s, %s, %s)",
                [self.slot, json.dumps(self.made_from), self.batch],
            ).fetchone()
            conn.execute(
                "select pg_replication_slot_advance(slot_name, collected_to)"
                f" from {self.internal}.refresh_log"
            )
            if is_done is not False:
                return problems

    def run(self, conn: psycopg.Connection, model: str) -> None:
        """Bring one stored model up to date, in a transaction as dbt does."""
        with conn.transaction():
            conn.execute(self.scripts[model])

    def differences(
        self,
        conn: psycopg.Connection,
        scopes: Sequence[str],
        datasets: Sequence[str] | None = None,
        live: str = "live",
    ) -> list[str]:
        """Which datasets differ from those of a live catalog, as multisets, and under which scope.

        Args:
            conn: asked in one snapshot.
            scopes: values of app.allowed_org_ids.
            datasets: which; by default those that stored models are under.
            live: the published schema of the live catalog.
        """
        found = []
        with conn.transaction():
            conn.execute("set transaction isolation level repeatable read")
            for scope in scopes:
                conn.execute("select set_config('app.allowed_org_ids', %s, true)", [scope])
                for dataset in datasets or self.datasets:
                    stored_rows, live_rows = (
                        f"select * from {schema}.{dataset}" for schema in (self.schema, live)
                    )
                    (count,) = conn.execute(
                        f"select count(*) from (({stored_rows} except all {live_rows})"
                        f" union all ({live_rows} except all {stored_rows})) as difference"
                    ).fetchone()
                    if count:
                        found.append(f"{dataset} under {scope!r}: {count} rows")
        return found


def _stored_models(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of the incremental models, by name."""
    return sorted(
        (
            node
            for node in manifest["nodes"].values()
            if node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
        ),
        key=lambda node: node["name"],
    )


def _models_above(manifest: dict[str, Any], below: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes of every model that reads one of these, directly or not."""
    found = {node["unique_id"] for node in below}
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    above: list[dict[str, Any]] = []
    while more := [
        node
        for node in models
        if node["unique_id"] not in found and found.intersection(node["depends_on"]["nodes"])
    ]:
        above += more
        found.update(node["unique_id"] for node in more)
    return above
