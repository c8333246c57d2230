"""Rows on their way into the operational tables."""

from collections import defaultdict
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb


class OperationalRows:
    """Collects rows by table and copies them into the schema, a table at a time.

    A column that a row leaves out is null. Nothing is committed here.
    """

    def __init__(self, conn: psycopg.Connection, schema: str) -> None:
        self._conn = conn
        self._schema = schema
        self._pending: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._columns: dict[str, list[str]] = defaultdict(list)
        for table, column in conn.execute(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = %s order by table_name, ordinal_position",
            [schema],
        ):
            self._columns[table].append(column)

    def columns(self, table: str) -> list[str]:
        """The table's columns in their order; empty for a table that is not there."""
        return list(self._columns.get(table, []))

    def add(self, table: str, /, **values: Any) -> None:
        """Keep a row for the table until write().

        Raises:
            ValueError: the table is not there, or lacks one of the columns.
        """
        unknown = values.keys() - set(self._columns.get(table, ()))
        if unknown:
            raise ValueError(f"{self._schema}.{table} has no column {', '.join(sorted(unknown))}")
        self._pending[table].append(values)

    def add_once(self, table: str, /, **values: Any) -> None:
        """add(), unless a row with the same id waits already."""
        if not any(row["id"] == values["id"] for row in self._pending[table]):
            self.add(table, **values)

    def write(self) -> int:
        """Copy everything kept so far into the tables and forget it; returns how many rows."""
        written = 0
        for table, rows in self._pending.items():
            columns = self._columns[table]
            statement = sql.SQL("copy {} ({}) from stdin").format(
                sql.Identifier(self._schema, table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with self._conn.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row([_adapted(row.get(column)) for column in columns])
            written += len(rows)
        self._pending.clear()
        return written


def _adapted(value: Any) -> Any:
    """An object as the JSON that a column of such holds."""
    return Jsonb(value) if isinstance(value, dict) else value
