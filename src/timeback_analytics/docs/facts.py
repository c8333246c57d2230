"""What the pages show of the demo's rows: how many there are, a few of them, answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from timeback_analytics.catalog.names import SCOPE_SETTING
from timeback_analytics.docs.catalog import Catalog, Dataset
from timeback_analytics.errors import TimebackError

_SAMPLE = 3
_LONGEST = 60
# Nothing but the demo's last day comes after this Sunday, and the whole week before it is a full one.
_DAY_OF_DASHBOARDS = date(2026, 3, 15)


@dataclass(frozen=True)
class Seen:
    """What one school sees on the dashboards on one day."""

    school: str
    day: date
    """Weeks are counted back from it."""
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    """Rows of each visual, by Dashboard.anchor, as JSON knows values."""


@dataclass(frozen=True)
class Facts:
    """What was read from a database; everything is empty where nothing was."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Rows of each dataset, about all people."""
    samples: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    """A few rows of each dataset, as text in the order of its columns; only of the demo."""
    answers: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Rows of each question that has a chart, as JSON knows values; only of the demo."""
    breakdowns: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Rows of each metric's breakdown, without those that have no value; only of the demo."""
    dashboards: Seen | None = None
    """What the demo's largest school sees on the dashboards; None without the demo."""


def read_facts(conn: psycopg.Connection, catalog: Catalog, *, is_demo: bool) -> Facts:
    """What there is in a database, read with every organization in scope.

    Args:
        conn: as somebody who may ask for every row.
        catalog: what is deployed there.
        is_demo: whether all rows are the demo's. Of anybody else's rows only their number is read.

    Raises:
        TimebackError: a dataset cannot be read: it is not deployed, or the login may not see every row.
    """
    with conn.transaction():
        for setting in {dataset.scope_setting for dataset in catalog.datasets.values()} - {""}:
            conn.execute("select set_config(%s, '*', true)", [setting])
        if not is_demo:
            return Facts({name: _read(conn, catalog.schema, name, _counted) for name in catalog.datasets})
        for name in catalog.datasets:
            _read(conn, catalog.schema, name, _copied)
        sampled = {dataset.name: _sampled(conn, dataset) for dataset in catalog.datasets.values()}
        asked = re.compile(rf"\b{re.escape(catalog.schema)}\.(?=\w)")

        def answer(query: str) -> list[dict[str, Any]]:
            return _answer(conn, asked.sub("pg_temp.", query))

        return Facts(
            {name: count for name, (count, _) in sampled.items()},
            {name: rows for name, (_, rows) in sampled.items()},
            {question.name: answer(question.query) for question in catalog.questions if question.chart},
            {
                metric.name: [row for row in answer(metric.breakdown.sql) if None not in row.values()]
                for metric in catalog.metrics
            },
            _seen_by_a_school(conn, catalog),
        )


def _seen_by_a_school(conn: psycopg.Connection, catalog: Catalog) -> Seen | None:
    """The dashboards with only the largest school in scope, which shows what its bound login is shown."""
    largest = sql.SQL("select id, name from {} order by student_count desc, id limit 1")
    found = conn.execute(largest.format(sql.Identifier(catalog.schema, "schools"))).fetchone()
    if found is None:
        return None
    school, name = found
    conn.execute("select set_config(%s, %s, true)", [SCOPE_SETTING, str(school)])
    return Seen(
        name,
        _DAY_OF_DASHBOARDS,
        {
            dashboard.anchor(visual): _answer(conn, visual.sql(catalog.schema, _DAY_OF_DASHBOARDS))
            for dashboard in catalog.dashboards
            for visual in dashboard.visuals
        },
    )


def _read(conn: psycopg.Connection, schema: str, name: str, read: Callable[..., Any]) -> Any:
    """What a reader of a dataset gives.

    Raises:
        TimebackError: the dataset cannot be read.
    """
    try:
        return read(conn, sql.Identifier(schema, name), sql.Identifier(name))
    except psycopg.Error as error:
        raise TimebackError(
            f"{schema}.{name} cannot be read: {error.diag.message_primary or error} Deploy the "
            "catalog with the same target and variables, and connect as a superuser or a member of "
            "timeback_unrestricted; or leave --count-rows out."
        ) from error


def _counted(conn: psycopg.Connection, view: sql.Identifier, _: sql.Identifier) -> int:
    return conn.execute(sql.SQL("select count(*) from {}").format(view)).fetchone()[0]


def _copied(conn: psycopg.Connection, view: sql.Identifier, copy: sql.Identifier) -> None:
    """Keep a dataset's rows for this transaction: a dozen queries read attempts, which take half a second."""
    conn.execute(sql.SQL("create temporary table {} on commit drop as table {}").format(copy, view))


def _sampled(conn: psycopg.Connection, dataset: Dataset) -> tuple[int, list[list[str]]]:
    """The number of a copied dataset's rows, and the first of those with the fewest nulls, in one pass."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in dataset.columns)
    query = sql.SQL(
        "select count(*) over () as dataset_rows, {columns} from {copy}"
        " order by num_nulls({columns}), {columns} limit {limit}"
    ).format(columns=columns, copy=sql.Identifier("pg_temp", dataset.name), limit=_SAMPLE)
    rows = conn.execute(query).fetchall()
    return (rows[0][0] if rows else 0), [[_shown(value) for value in row[1:]] for row in rows]


def _answer(conn: psycopg.Connection, query: str) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query.encode()).fetchall()
    return [{name: _json(value) for name, value in row.items()} for row in rows]


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _shown(value: Any) -> str:
    """A value as psql would print it, cut where it is long."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        value = "{" + ",".join(map(_shown, value)) + "}"
    if isinstance(value, datetime):
        value = value.isoformat(" ", "seconds")
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
