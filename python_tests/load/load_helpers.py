"""What a load has done, for the tests of timeback load."""

from typing import Any

import psycopg

from timeback_analytics.load import Report


def counts(report: Report) -> dict[str, tuple[int, int, int, int, int]]:
    """Inserted, updated, unchanged, older, removed, by table."""
    by_table = {
        table.table: (table.inserted, table.updated, table.unchanged, table.older, table.removed)
        for table in report.tables
    }
    return {table: numbers for table, numbers in by_table.items() if any(numbers)}


def contents(conn: psycopg.Connection, schema: str = "operational") -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every operational table, with its physical place: a rewritten row has another."""
    tables = conn.execute("select tablename from pg_tables where schemaname = %s", [schema]).fetchall()
    return {
        table: conn.execute(f"select ctid::text, t::text from {schema}.{table} t order by 1").fetchall()
        for (table,) in tables
    }
