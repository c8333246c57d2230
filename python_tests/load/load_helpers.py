"""What a load has done, or not done, for the tests of timeback load."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from timeback_analytics.load import LoadError, Problem, Report, load


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


def refused(conn: psycopg.Connection, path: Path, format_name: str = "oneroster") -> LoadError:
    """The error of loading the path, which must leave every table as it was."""
    before = contents(conn)
    with pytest.raises(LoadError) as caught:
        load(format_name, path, connection=conn)
    assert contents(conn) == before
    return caught.value


def json_lines(path: Path, *values: Any) -> Path:
    """Write a file of JSON lines."""
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


Load = Callable[..., Report]


def loader_of_lines(format_name: str, conn: psycopg.Connection, folder: Path) -> Load:
    """Write values as lines of JSON, each time in another file of the folder, and load them."""
    files = iter(range(1000))

    def run(*values: Any, **options: Any) -> Report:
        return load(
            format_name, json_lines(folder / f"{next(files)}.jsonl", *values), connection=conn, **options
        )

    return run


Place = tuple[str, int | None, str | None, str | None]

"""File, line, column and value."""


def place(problem: Problem) -> Place:
    """Where a problem is."""
    return problem.file, problem.line, problem.column, problem.value


def places_in(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a JSON value, its own, which is empty, first."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [at, *(place for key, member in members for place in places_in(member, (*at, key)))]
