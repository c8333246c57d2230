"""Builds the demo's rows in the operational schema, all of them or none."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from timeback_analytics.connection import connect, operational_schema
from timeback_analytics.demo import course_log, practice, rosters
from timeback_analytics.demo.applications import add_applications, app_id
from timeback_analytics.demo.curriculum import TAUGHT_COURSE, add_curriculum
from timeback_analytics.demo.edge_cases import add_edge_cases
from timeback_analytics.demo.insights import add_insights
from timeback_analytics.demo.mastery import add_clr_credentials, add_mastery
from timeback_analytics.demo.people import roster_students
from timeback_analytics.demo.roar import add_roar
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.sessions import Session
from timeback_analytics.demo.source_files import demo_dir, input_digest
from timeback_analytics.errors import TimebackError
from timeback_analytics.load import load
from timeback_analytics.operational import create_operational_schema, table_names
from timeback_analytics.queries import first_row

# One row: which input the rows come from, and how many each table had. It makes a second run a short one.
_STATE_TABLE = "timeback_demo"
_BUNDLES = ("district", "school")
# Any number will do, as long as every build asks for the same.
_LOCK = 7_401_020_689
_LOCK_TIMEOUT = "20s"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What the operational schema holds after a build.

    Attributes:
        row_counts: rows by operational table, in the order of the schema.
        is_new: whether this build wrote them; false where they were there just so.
        schema: the schema.
        other_rows: tables, with their number of rows, that hold something else than the demo wrote.
    """

    row_counts: dict[str, int]
    is_new: bool
    schema: str
    other_rows: dict[str, int]


def build_demo(
    target: str = "embedded",
    *,
    rebuild: bool = False,
    keep_other_rows: bool = False,
    connection: psycopg.Connection | None = None,
    report: Report = lambda line: None,
) -> Demo:
    """Fill the operational schema of the embedded database with the demo, in place of what is there of it.

    All of it happens in one transaction. Where the schema holds the same demo already, nothing happens.

    Args:
        target: embedded; the demo goes nowhere else.
        rebuild: whether to write it again, whatever the schema holds.
        keep_other_rows: whether to leave a schema as it is that holds rows of others, and not to fail.
        connection: a connection to the embedded database, outside of any transaction; else one is made.
        report: told each step, in a line.

    Raises:
        TimebackError: the target is another one, the schema is somebody else's, it holds rows that the demo
            did not write, or somebody uses its tables for longer than 20 seconds.
    """
    if target != "embedded":
        raise TimebackError(
            f"The demo goes into the embedded database alone, not into target {target}, whose tables are "
            "somebody's real data. Use --target embedded, or load an export of your own with `timeback load`."
        )
    schema = operational_schema(target)
    with (
        nullcontext(connection) if connection else connect(target, autocommit=True) as conn,
        conn.transaction(),
    ):
        conn.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        create_operational_schema(conn, schema)
        digest = input_digest()
        known_digest, known_counts = _read_state(conn, schema)
        row_counts = _count_rows(conn, schema)
        other_rows = {
            table: count for table, count in row_counts.items() if count != known_counts.get(table, 0)
        }
        if not rebuild:
            if known_digest == digest or (other_rows and keep_other_rows):
                return Demo(row_counts, False, schema, other_rows)
            if other_rows:
                raise TimebackError(
                    f"Schema {schema} holds rows that the demo did not write, in "
                    f"{', '.join(sorted(other_rows))}. --rebuild deletes them and writes the demo; "
                    "--keep-other-rows leaves everything as it is."
                )
        _empty(conn, schema)
        _write(conn, schema, report)
        row_counts = _count_rows(conn, schema)
        _write_state(conn, schema, digest, row_counts)
        return Demo(row_counts, True, schema, {})


def holds_demo_alone(conn: psycopg.Connection, schema: str) -> bool:
    """Whether every row of the operational schema is the demo's; not where there are none."""
    known_digest, known_counts = _read_state(conn, schema)
    return known_digest is not None and _count_rows(conn, schema) == known_counts


def _write(conn: psycopg.Connection, schema: str, report: Report) -> None:
    rows = OperationalRows(conn, schema)

    report("Education levels (CEDS) and competency frameworks (CASE)")
    rosters.add_education_levels(rows)
    rows.write()
    load("case", demo_dir() / "case", schema=schema, connection=conn)

    report("Rosters (OneRoster): a district, and a school")
    for bundle in _BUNDLES:
        load("oneroster", demo_dir() / "oneroster" / bundle, schema=schema, connection=conn)
    rosters.date_enrollments(conn, schema)
    rosters.date_roles(conn, schema)
    rosters.add_guides(conn, schema, rows)
    students = roster_students(conn, schema)
    log_users = dict(zip(course_log.log_users(), students, strict=False))
    gradebook_users = dict(zip(practice.gradebook_users(), students[len(log_users) :], strict=False))
    rosters.add_results(rows, students, log_users)
    rosters.add_placements(conn, schema, rows, students)

    report("Curriculum (OATutor), applications")
    add_applications(conn, schema, rows)
    curriculum = add_curriculum(conn, schema, rows)
    rows.write()

    report("Sessions, events and attempts (a course's log)")
    logged = course_log.add_course_log(rows, curriculum, log_users, app_id("Course Room"))
    rows.write()

    report("Answers and scores (a gradebook)")
    rhythms = _rhythms(logged)
    practised, mastery = practice.add_practice(
        rows, curriculum, gradebook_users, rhythms, app_id("OATutor"), app_id("Science Gradebook")
    )
    rows.write()

    report("Insights, journals, recommendations, mastery")
    add_insights(rows, [*logged, *practised])
    add_mastery(rows, curriculum, mastery, TAUGHT_COURSE)
    add_clr_credentials(rows, students)

    report("Reading assessment (ROAR): documents made up")
    add_roar(rows)
    rows.write()

    report(f"Edge cases: {add_edge_cases(rows):,} rows made by hand")
    rows.write()


def _rhythms(sessions: list[Session]) -> list[list[datetime]]:
    """When each student of the log began to learn: the starts of their sessions, in order."""
    starts: dict[UUID, list[datetime]] = {}
    for session in sessions:
        starts.setdefault(session.student_id, []).append(session.started_at)
    return list(starts.values())


def _empty(conn: psycopg.Connection, schema: str) -> None:
    """Delete every operational row; views on the tables stay."""
    tables = sql.SQL(", ").join(sql.Identifier(schema, table) for table in table_names())
    conn.execute("select set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
    try:
        conn.execute(sql.SQL("truncate {}").format(tables))
    except psycopg.errors.LockNotAvailable as error:
        raise TimebackError(
            f"Another connection has used the tables of schema {schema} for {_LOCK_TIMEOUT} and more, so the "
            "demo cannot replace their rows. Close what uses them (a client with an open transaction), and "
            "try again."
        ) from error


def _count_rows(conn: psycopg.Connection, schema: str) -> dict[str, int]:
    counts = sql.SQL(" union all ").join(
        sql.SQL("select {}, count(*) from {}").format(sql.Literal(table), sql.Identifier(schema, table))
        for table in table_names()
    )
    found: dict[str, int] = dict(conn.execute(counts).fetchall())
    return {table: found[table] for table in table_names()}


def _read_state(conn: psycopg.Connection, schema: str) -> tuple[str | None, dict[str, int]]:
    """The digest and the row counts of the last build; None and nothing where there was none."""
    state_table = sql.Identifier(schema, _STATE_TABLE)
    (found,) = first_row(conn.execute("select to_regclass(%s)", [state_table.as_string(None)]))
    if found is None:
        return None, {}
    digest, counts = first_row(
        conn.execute(sql.SQL("select input_digest, row_counts from {}").format(state_table))
    )
    return digest, counts


def _write_state(conn: psycopg.Connection, schema: str, digest: str, row_counts: dict[str, int]) -> None:
    state_table = sql.Identifier(schema, _STATE_TABLE)
    conn.execute(sql.SQL("drop table if exists {}").format(state_table))
    conn.execute(
        sql.SQL("create table {} (input_digest text not null, row_counts jsonb not null)").format(state_table)
    )
    conn.execute(sql.SQL("insert into {} values (%s, %s)").format(state_table), [digest, Jsonb(row_counts)])
    # the next query need not wait for autovacuum to know the tables
    for table in table_names():
        conn.execute(sql.SQL("analyze {}").format(sql.Identifier(schema, table)))
