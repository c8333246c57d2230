"""What the tests of the materialized mode, the soak and the benchmark share: refreshes, and comparisons.

A refresh without dbt is the very SQL that a `dbt run` left in its target folder, run again: starting dbt for
each would take most of the time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

STORED = ("--vars", "{stored_facts: true}")
"""dbt's arguments for the mode."""


@dataclass(frozen=True)
class StoredRefreshes:
    """How the stored models of a database are brought up to date.

    Attributes:
        database: its name.
        schema: the published schema of the catalog that stores them.
        datasets: those that the stored models are under.
        scripts: the SQL of each stored model, which runs in a transaction of its own.
        queries: the SQL of every model's query.
    """

    database: str
    schema: str
    datasets: tuple[str, ...]
    scripts: dict[str, str]
    queries: dict[str, str]

    @classmethod
    def of(cls, target: Path, database: str, schema: str = "analytics") -> Self:
        """Those that the last `dbt run` with stored facts did.

        Args:
            target: dbt's target folder of that run.
            database: where it ran.
            schema: the published schema.
        """
        manifest: dict[str, Any] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
        stored = _stored_models(manifest)
        scripts = _models_sql(target / "run")
        return cls(
            database,
            schema,
            datasets_on_stored(manifest),
            {node["name"]: scripts[node["name"]] for node in stored},
            _models_sql(target / "compiled"),
        )

    def run(self, conn: psycopg.Connection, model: str) -> None:
        """Bring one stored model up to date, in a transaction as dbt does."""
        with conn.transaction():
            conn.execute(self.scripts[model])

    def refresh(self, conn: psycopg.Connection) -> None:
        """Bring every stored table up to date, each in a transaction of its own, as dbt does."""
        for model in self.scripts:
            self.run(conn, model)

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


def datasets_on_stored(manifest: dict[str, Any]) -> tuple[str, ...]:
    """The datasets that stored models are under, by name, of a manifest that has those."""
    above = _models_above(manifest, _stored_models(manifest))
    return tuple(sorted(node["name"] for node in above if "datasets" in node["fqn"]))


def refresh_state(conn: psycopg.Connection, model: str = "int_attempt_stored") -> dict[str, dict[str, Any]]:
    """{source: what a stored model noted of it at its last refresh}."""
    rows = conn.execute(
        "select to_jsonb(refresh_state) from analytics_internal.refresh_state where model_name = %s", [model]
    )
    return {row["source_name"]: row for (row,) in rows}


def _models_sql(folder: Path) -> dict[str, str]:
    """{model: SQL} of what dbt wrote into a folder of its target."""
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in folder.rglob("*.sql")
        if "models" in path.parts
    }


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
