"""What a refresh of the stored facts costs after changes."""

import time

import click
import psycopg
from scale_data import SCHEMA

from stored_mode import StoredRefreshes

CHANGES = {
    "new": (
        """insert into caliper_attempt (
            id, assignee_id, assignable_id, count,
            started_at_time, ended_at_time, date_created, date_last_modified
        )
        select
            'new {rows} ' || n, md5('student' || 1 + n * 7919 % {students})::uuid, 'resource {rows} ' || n, 1,
            now(), now(), now(), now()
        from generate_series(1, {rows} / 2) as n""",
        """insert into caliper_score (id, attempt_id, score_given, max_score, date_created)
        select 'new {rows} ' || n, 'new {rows} ' || n, 1, 1, now()
        from generate_series(1, {rows} / 4) as n""",
        """insert into caliper_event (id, type, action, generated_id, session_id, event_time)
        select
            'new {rows} ' || n, 'AssessmentItemEvent', 'Completed', 'new {rows} ' || n, 'session ' || n, now()
        from generate_series(1, {rows} / 4) as n""",
    ),
    "corrected": (
        """update caliper_attempt set duration = 'PT50S' where id in (
            select 'urn:uuid:' || md5('attempt' || 1 + n * 7919 % {students} || '/' || n % 19)::uuid
            from generate_series(1, {rows} / 2) as n
        )""",
        """update caliper_score set score_given = 1 - score_given where id in (
            select 'urn:uuid:' || md5('score' || 1 + n * 7919 % {students} || '/' || n % 4)::uuid
            from generate_series(1, {rows} / 2) as n
        )""",
    ),
    "deleted": (
        """delete from caliper_score where id in (
            select 'urn:uuid:' || md5('score' || 1 + n * 7919 % {students} || '/' || n % 4)::uuid
            from generate_series(1, {rows}) as n
        )""",
    ),
}
"""Ways to change history: SQL for `rows` rows, spread over all students."""


def refresh_seconds(
    dsn: str, refreshes: StoredRefreshes, students: int, rows: int, change: str
) -> dict[str, float]:
    """Seconds that bringing each stored model up to date takes after a change; all of it is rolled back.

    Args:
        dsn: a database with the catalog in materialized mode.
        refreshes: those of that catalog.
        students: how many students the database has.
        rows: how many operational rows change; with 0 nothing does.
        change: which way, a key of CHANGES.
    """
    seconds = {}
    with psycopg.connect(dsn) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(f"set local search_path = {SCHEMA}")
        connection.execute("set local jit = off")
        for statement in CHANGES[change] if rows else ():
            connection.execute(statement.format(rows=rows, students=students))
        for model, script in refreshes.scripts.items():
            with connection.transaction(force_rollback=True):
                started = time.monotonic()
                connection.execute(script)
                seconds[model] = time.monotonic() - started
        connection.rollback()
    return seconds


def measure_refreshes(
    dsn: str, refreshes: StoredRefreshes, students: int, numbers_of_rows: list[int]
) -> None:
    """Print what a refresh takes after each way to change history, and each number of rows.

    Args:
        dsn: a database with the catalog in materialized mode.
        refreshes: those of that catalog.
        students: how many students the database has.
        numbers_of_rows: how many operational rows change each time.
    """
    click.echo("\nbringing the stored facts up to date")
    for change in CHANGES:
        for rows in numbers_of_rows:
            if rows or change == next(iter(CHANGES)):
                seconds = refresh_seconds(dsn, refreshes, students, rows, change)
                parts = ", ".join(f"{part} {spent:.2f}" for part, spent in seconds.items())
                what = f"{rows:,} rows {change}"
                click.echo(f"  {what:<44}{sum(seconds.values()):>9,.2f} s   {parts}")
