"""Queries that give a row for certain."""

from __future__ import annotations

from typing import TypeVar

import psycopg

Row = TypeVar("Row")


def first_row(cursor: psycopg.Cursor[Row]) -> Row:
    """The first row of a query that always gives one, such as a count.

    Raises:
        LookupError: it gave none.
    """
    row = cursor.fetchone()
    if row is None:
        raise LookupError("The query gave no row.")
    return row
