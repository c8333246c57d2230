"""What QuickSight would cut or round, counted in the data itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from timeback_analytics.catalog.names import SCOPE_SETTINGS
from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.relations import Column, Relation

# SPICE keeps so many characters of a text, and so many decimal places of a number.
TEXT, PLACES = 2_047, 4


@dataclass(frozen=True)
class Limit:
    """A column with values that do not come over whole.

    Attributes:
        relation, column: where.
        rows: how many rows.
        what: "texts are cut" or "numbers are rounded".
        most: the longest text in characters, or the most decimal places.
    """

    relation: str
    column: str
    rows: int
    what: str
    most: int

    def __str__(self) -> str:
        unit = "characters" if self.what.startswith("texts") else "places"
        return f"{self.relation}.{self.column}: {self.rows} {self.what}; up to {self.most} {unit}"


def data_limits(conn: psycopg.Connection, relations: Mapping[str, Relation], schema: str) -> list[Limit]:
    """Columns of the published views with texts of over 2,047 characters, or over four decimal places.

    Args:
        conn: a connection that may read everybody's rows; nothing is written.
        relations: the datasets.
        schema: the published schema.

    Raises:
        TimebackError: a view is missing or may not be read.
    """
    found = []
    with conn.transaction(force_rollback=True):
        for setting in SCOPE_SETTINGS:
            conn.execute("select set_config(%s, '*', true)", [setting])
        for relation in relations.values():
            measured = [(column, what, size) for column in relation.columns for what, size in _sizes(column)]
            if not measured:
                continue
            counts = sql.SQL(", ").join(
                part
                for _, what, size in measured
                for part in (
                    sql.SQL("count(*) filter (where {} > {})").format(
                        size, TEXT if what.startswith("texts") else PLACES
                    ),
                    sql.SQL("coalesce(max({}), 0)").format(size),
                )
            )
            query = sql.SQL("select {} from {}").format(counts, sql.Identifier(schema, relation.name))
            try:
                (row,) = conn.execute(query).fetchall()
            except psycopg.Error as error:
                raise TimebackError(
                    f"{schema}.{relation.name} cannot be read: {error.diag.message_primary}"
                ) from error
            for index, (column, what, _) in enumerate(measured):
                rows, most = row[2 * index : 2 * index + 2]
                if rows:
                    found.append(Limit(relation.name, column.name, rows, what, most))
    return found


def _sizes(column: Column) -> list[tuple[str, sql.Composable]]:
    name = sql.Identifier(column.name)
    if column.is_list:
        return [("texts are cut", sql.SQL("length(array_to_string({}, ','))").format(name))]
    if column.bi_type == "text":
        return [("texts are cut", sql.SQL("length({}::text)").format(name))]
    if column.bi_type == "double precision":
        return [("numbers are rounded", sql.SQL("min_scale({}::numeric)").format(name))]
    return []
