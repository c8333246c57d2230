"""Questions to the metrics: MetricFlow writes the SQL, and the answer says whether anybody was in scope.

MetricFlow by itself answers "0" or "empty result set" where the session names no organization, as it does
where there is nothing to count. Here the first is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import sqlglot
from psycopg import sql as pg_sql
from sqlglot.errors import SqlglotError

from timeback_analytics.catalog.manifest import may_be_scoped
from timeback_analytics.catalog.names import ROAR_SCOPE_SETTING, SCOPE_SETTING
from timeback_analytics.errors import MissingDependencyError, TimebackError
from timeback_analytics.queries import first_row

GRAINS = ("day", "week", "month", "quarter", "year")
"""What a metric may be asked for by without more words: by the time of what it counts."""
SCHOOL = ("student__school", "session__school")
"""The ways from what is counted to the schools of its student: by its own student, or by its session's."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        metrics: names of metrics.
        by: day, week, month, quarter, year, school, or MetricFlow's names of dimensions and entities.
        where: conditions in MetricFlow's words.
        start: the first day.
        end: the last day.
        order: columns of the answer; one with a minus before it in descending order.
        limit: at most so many rows.
    """

    metrics: Sequence[str]
    by: Sequence[str] = ()
    where: Sequence[str] = ()
    start: datetime | None = None
    end: datetime | None = None
    order: Sequence[str] = ()
    limit: int | None = None


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Attributes:
        columns: their names, those of `by` first.
        rows: the values, as psycopg reads them.
        is_of_nobody: whether a scope was asked for in which there is no person.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    is_of_nobody: bool = field(default=False)


class Metrics:
    """The metrics of a project."""

    def __init__(self, semantic_manifest: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        """Reads what dbt has left; takes a second or two the first time.

        Args:
            semantic_manifest: dbt's semantic_manifest.json.
            manifest: the manifest.json beside it.

        Raises:
            MissingDependencyError: MetricFlow is not installed.
        """
        self._models = {
            (node["schema"], node["alias"]): [one for one in _behind(node, manifest) if may_be_scoped(one)]
            for node in manifest["nodes"].values()
            if node["resource_type"] == "model"
        }
        self._engine = _engine(semantic_manifest)

    def sql(self, question: Question) -> str:
        """The query that answers a question.

        Raises:
            TimebackError: MetricFlow does not understand it; its words are given.
        """
        from metricflow.engine.metricflow_engine import MetricFlowQueryRequest
        from metricflow_semantics.errors.error_classes import MetricFlowException

        request = MetricFlowQueryRequest.create(
            metric_names=list(question.metrics),
            group_by_names=[one for name in question.by for one in self._group_bys(question.metrics, name)],
            where_constraints=list(question.where) or None,
            time_constraint_start=question.start,
            time_constraint_end=question.end,
            order_by_names=[self._order(question.metrics, name) for name in question.order],
            limit=question.limit,
        )
        try:
            return self._engine.explain(request).sql_statement.without_descriptions.sql
        except MetricFlowException as error:
            raise TimebackError(f"The metrics cannot be asked for like this. {_in_short(error)}") from error

    def _order(self, metrics: Sequence[str], name: str) -> str:
        minus, bare = ("-", name[1:]) if name.startswith("-") else ("", name)
        return minus + self._group_bys(metrics, bare)[-1]

    def _group_bys(self, metrics: Sequence[str], name: str) -> list[str]:
        """A name of ours in MetricFlow's words, any other as it is. Schools go by id too."""
        if name in GRAINS:
            return [f"metric_time__{name}"]
        if name != "school":
            return [name]
        known = {one.dunder_name for one in self._engine.simple_dimensions_for_metrics(list(metrics))}
        for way in SCHOOL:
            if f"{way}_name" in known:
                return [way, f"{way}_name"]
        raise TimebackError(
            f"{' and '.join(metrics)} cannot be grouped by school together. Ask for each by itself; what is "
            "counted without a student or a session has no school."
        )

    def scopes(self, conn: psycopg.Connection, query: str) -> list[str]:
        """The session settings that the rows of a query depend on.

        Args:
            conn: to the database; asked about datasets that are scoped where a dbt variable says so.
            query: SQL over published views.

        Raises:
            TimebackError: it is not SQL.
        """
        found = set()
        try:
            tables = list(sqlglot.parse_one(query, dialect="postgres").find_all(sqlglot.exp.Table))
        except SqlglotError as error:
            raise TimebackError("A condition in --where is not SQL that can be read.") from error
        for table in tables:
            for dataset in self._models.get((table.db, table.name), ()):
                meta = dataset["config"]["meta"]
                if meta.get("scope") or _has_barrier(conn, table.db, table.name):
                    found.add(meta.get("scope_setting") or SCOPE_SETTING)
        return sorted(found)

    def answer(self, conn: psycopg.Connection, question: Question) -> Answer:
        """Ask.

        Args:
            conn: a connection of the caller's role, with the scope set.
            question: what is asked.

        Raises:
            TimebackError: the session names no organization and a scoped dataset is read, or MetricFlow
                does not understand the question, or the catalog is not deployed there.
            psycopg.Error: the database refuses, for example a scope that the login may not ask for.
        """
        query = self.sql(question)
        settings = self.scopes(conn, query)
        for setting in settings:
            if not _names_somebody(conn, setting):
                raise TimebackError(_no_scope(setting))
        try:
            cursor = conn.execute(query.encode())
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise TimebackError(
                f"{error.diag.message_primary}. Deploy the catalog there (`dbt run`), and let dbt read the "
                "project with the same TIMEBACK_SCHEMA (`dbt parse`)."
            ) from error
        columns = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
        numbers = [
            value
            for row in rows
            for name, value in zip(columns, row, strict=True)
            if name in question.metrics
        ]
        is_of_nobody = not any(numbers) and any(not self._has_people(conn, setting) for setting in settings)
        return Answer(columns, rows, is_of_nobody)

    def _has_people(self, conn: psycopg.Connection, setting: str) -> bool:
        """Whether a scope has anybody in it."""
        people = "roar_users" if setting == ROAR_SCOPE_SETTING else "students"
        ((schema, name),) = [key for key in self._models if key[1] == people]
        exists = pg_sql.SQL("select exists (select from {})").format(pg_sql.Identifier(schema, name))
        return bool(first_row(conn.execute(exists))[0])


def scope_of(conn: psycopg.Connection, scopes: Iterable[tuple[str, str | None]]) -> None:
    """Set the scopes of a session.

    Args:
        conn: the session.
        scopes: (setting, organizations as one writes them in it); None leaves what the session has.
    """
    for setting, organizations in scopes:
        if organizations is not None:
            conn.execute("select set_config(%s, %s, false)", [setting, organizations])


def _engine(semantic_manifest: Mapping[str, Any]) -> Any:
    try:
        from metricflow.engine.metricflow_engine import MetricFlowEngine
        from metricflow.protocols.sql_client import SqlEngine
        from metricflow.sql.render.postgres import PostgresSQLSqlPlanRenderer
        from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
        from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup
    except ImportError as error:
        raise MissingDependencyError(
            f"timeback metrics needs MetricFlow ({error.name} is missing). In the project's folder: "
            ".venv/bin/python -m pip install --editable '.[metrics]'"
        ) from error

    class WriterOfPostgres:
        """What MetricFlow asks of a database before it writes a query: what kind it is. It runs none."""

        sql_engine_type = SqlEngine.POSTGRES
        sql_plan_renderer = PostgresSQLSqlPlanRenderer()

    read = parse_manifest_from_dbt_generated_manifest(
        manifest_json_string=json.dumps(_of_any_database(semantic_manifest))
    )
    client: Any = WriterOfPostgres()
    return MetricFlowEngine(SemanticManifestLookup(read), client)


def _of_any_database(semantic_manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without the name of the database that dbt read the project for."""

    def relation(node: Mapping[str, Any]) -> dict[str, Any]:
        return {**node, "relation_name": f'"{node["schema_name"]}"."{node["alias"]}"'}

    configuration = semantic_manifest["project_configuration"]
    return {
        **semantic_manifest,
        "semantic_models": [
            {**model, "node_relation": relation(model["node_relation"])}
            for model in semantic_manifest["semantic_models"]
        ],
        "project_configuration": {
            **configuration,
            "time_spines": [
                {**spine, "node_relation": relation(spine["node_relation"])}
                for spine in configuration["time_spines"]
            ],
        },
    }


def _behind(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A model itself, and the datasets that it reads where it is one of models/metrics."""
    yield node
    if "metrics" in node["fqn"]:
        for unique_id in node["depends_on"]["nodes"]:
            yield from _behind(manifest["nodes"][unique_id], manifest)


def _names_somebody(conn: psycopg.Connection, setting: str) -> bool:
    """Whether a session's setting names an organization; what is not a list is the database's to refuse."""
    value = first_row(conn.execute("select current_setting(%s, true)", [setting]))[0]
    return bool((value or "").strip(" \t\r\n{}"))


def _no_scope(setting: str) -> str:
    option = "--roar-scope" if setting == ROAR_SCOPE_SETTING else "--scope"
    return (
        f"The session names no organization ({setting} is not set), so every number would be of nobody. "
        f"Name them with {option} ID, several with commas, or {option} '*' for all that the login may see."
    )


def _has_barrier(conn: psycopg.Connection, schema: str, name: str) -> bool:
    return bool(
        first_row(
            conn.execute(
                "select exists (select from pg_catalog.pg_class where oid = to_regclass(%s)"
                " and 'security_barrier=true' = any(reloptions))",
                [f'"{schema}"."{name}"'],
            )
        )[0]
    )


def _in_short(error: Exception) -> str:
    """MetricFlow's message on one line: what it does not know and suggests, else all but the trace."""
    text = re.split(r"Issue Location:|Got exception:", str(error))[0]
    asked = re.search(r"Object Builder Input:\s+(.+?)\s*$", text, re.DOTALL) or re.search(
        r"Query Input:\s+(.+?)\s*$", text, re.DOTALL
    )
    suggested = re.search(r"Suggestions:\s+\[(.*?)\]\n", text, re.DOTALL)
    if asked and suggested:
        names = " ".join(suggested[1].split()).rstrip(",")
        return f"There is no {' '.join(asked[1].split())} here; MetricFlow suggests {names}."
    return " ".join(text.split())
