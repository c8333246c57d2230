"""Loads what the platform's API answers: rosters first, then the events of their people."""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from timeback_analytics.connection import connect
from timeback_analytics.errors import TimebackError
from timeback_analytics.load import Report, TableResult, load
from timeback_analytics.platform_api import EVENTS, ROSTERS, fetch

_FORMATS = {ROSTERS: "oneroster-rest", EVENTS: "caliper"}
_COUNTS = ("inserted", "updated", "unchanged", "older", "removed")


def load_api(
    since: str | None,
    target: str = "embedded",
    *,
    connection: psycopg.Connection | None = None,
    dry_run: bool = False,
    fetched_by: Callable[[Path, str | None], dict[str, int]] = fetch,
    **options: Any,
) -> Report:
    """Fetch rosters and events from the platform and load them: all of it, or on a problem nothing.

    Args:
        since: see timeback_analytics.platform_api.fetch.
        target: embedded or server.
        connection: see timeback_analytics.load.load.
        dry_run: whether to fetch, check and compare everything, and write nothing.
        fetched_by: what saves the answers.
        **options: the others of timeback_analytics.load.load.

    Raises:
        LoadError: what came cannot be loaded.
        TimebackError: the platform cannot be asked; see fetch and load.
    """
    if since is not None and options.get("whole"):
        raise TimebackError("What changed since a day is not the whole: say --since or --whole.")
    with tempfile.TemporaryDirectory(prefix="timeback-load-") as name:
        folder = Path(name)
        fetched_by(folder, since)
        reports = []
        with (
            nullcontext(connection) if connection else connect(target, autocommit=True) as conn,
            conn.transaction(force_rollback=dry_run),
        ):
            for part, format_name in _FORMATS.items():
                if any((folder / part).iterdir()):
                    said = _options_of(part, options)
                    reports.append(load(format_name, folder / part, target, connection=conn, **said))
            where = f"database {conn.info.dbname}"
    if not reports:
        return Report("The platform's API: nothing new", where, (), (), dry_run)
    return replace(_together(reports), dry_run=dry_run)


def _options_of(part: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of one of the loads: events have no whole, and a file of problems of their own."""
    if part != EVENTS:
        return options
    problems = options.get("problems_file")
    file = None if problems is None else Path(problems).with_name(f"{EVENTS}-{Path(problems).name}")
    return {**options, "whole": False, "problems_file": file}


def _together(reports: list[Report]) -> Report:
    tables: dict[str, TableResult] = {}
    for table in (table for report in reports for table in report.tables):
        known = tables.get(table.table, TableResult(table.table))
        sums = {count: getattr(known, count) + getattr(table, count) for count in _COUNTS}
        tables[table.table] = TableResult(table.table, **sums)
    return replace(
        reports[-1],
        what="The platform's API. " + ". ".join(report.what for report in reports),
        tables=tuple(tables.values()),
        notes=tuple(note for report in reports for note in report.notes),
        skipped=sum(report.skipped for report in reports),
        problems=tuple(group for report in reports for group in report.problems),
    )
