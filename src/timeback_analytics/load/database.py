"""What the operational tables hold already, for a format that is being read."""

from collections.abc import Collection
from typing import Any

import psycopg
from psycopg import sql

from timeback_analytics.load.problems import LoadError, Problem


class Database:
    """Look-ups in the operational tables. Nothing here writes."""

    def __init__(self, conn: psycopg.Connection, schema: str) -> None:
        self.conn = conn
        self.schema = schema
        self._types: dict[str, dict[str, str]] = {}

    def name(self, table: str) -> sql.Identifier:
        """The table's qualified name."""
        return sql.Identifier(self.schema, table)

    def types(self, table: str) -> dict[str, str]:
        """The type of each column; empty where there is no such table. Views are not tables."""
        if table not in self._types:
            self._types[table] = dict(
                self.conn.execute(
                    """
                    select a.attname, format_type(a.atttypid, null)
                    from pg_attribute a
                    join pg_class c on c.oid = a.attrelid
                    join pg_namespace n on n.oid = c.relnamespace
                    where n.nspname = %s and c.relname = %s and c.relkind in ('r', 'p')
                        and a.attnum > 0 and not a.attisdropped
                    """,
                    [self.schema, table],
                ).fetchall()
            )
        return self._types[table]

    def require(self, what: str, tables: dict[str, tuple[str, ...]]) -> None:
        """Make sure that tables and columns are there.

        Raises:
            LoadError: some are not; it lists them all.
        """
        where = f"schema {self.schema} of database {self.conn.info.dbname}"
        missing = []
        for table, columns in tables.items():
            types = self.types(table)
            if not types:
                missing.append(Problem(table, f"there is no such table in {where}."))
            missing += [
                Problem(table, f"the table in {where} has no such column.", column=column)
                for column in columns
                if types and column not in types
            ]
        if missing:
            raise LoadError(what, missing)

    def rows(
        self,
        table: str,
        columns: tuple[str, ...],
        column: str | None = None,
        values: Collection[str] = (),
        *,
        lower: bool = False,
    ) -> list[tuple[Any, ...]]:
        """Rows of the table, ids and dates as text.

        Args:
            table: the table.
            columns: the columns wanted.
            column: with it, only rows whose value in it is one of values.
            values: see column.
            lower: whether values are in lower case and the column is to be compared in lower case.
        """
        if column is not None and not values:
            return []
        wanted = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns)
        query = sql.SQL("select {} from {}").format(wanted, self.name(table))
        if column is None:
            return self.conn.execute(query).fetchall()
        if lower:
            test = sql.SQL(" where lower({}::text) = any(%s::text[])").format(sql.Identifier(column))
        else:
            type_name = sql.SQL(self.types(table)[column])
            test = sql.SQL(" where {} = any(%s::{}[])").format(sql.Identifier(column), type_name)
        return self.conn.execute(query + test, [list(values)]).fetchall()

    def existing(self, table: str, ids: Collection[str], key: str = "id") -> set[str]:
        """Those of the ids that the table has."""
        return {row[0] for row in self.rows(table, (key,), key, ids)}
