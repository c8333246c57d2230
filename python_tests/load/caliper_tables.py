"""What a load of Caliper events left in the tables, for the tests of the loader."""

from datetime import UTC, datetime
from typing import Any

import psycopg
from caliper_events import activity

MATH = "f6aeb22c-7ca4-5589-9ad6-48a1fe805627"
"""uuid5 of the project's namespace and caliper/application/ with the IRI of APP."""
COLUMNS = {
    "lti_application": "id, name",
    "caliper_session": "id, user_id, client_id, started_at_time, ended_at_time",
    "caliper_attempt": "id, assignee_id, assignable_id, count, started_at_time, ended_at_time, duration",
    "caliper_score": "id, attempt_id, score_given, max_score, date_created",
    "caliper_event": "id, type, action, actor_id, object_id, generated_id, session_id, event_time",
    "caliper_assessment": "id, name",
    "caliper_assessment_item": "id, name, media_type",
    "caliper_assignable_digital_resource": "id, name, media_type",
    "caliper_resource_relation": "source_id, destination_id, relationship_type, item_order",
    "tb_xp_ledger": "user_id, application_id, source_event_id, value, date_generated, date_created",
}


def at(text: str) -> datetime:
    """A time of 5 January 2026, UTC."""
    return datetime.fromisoformat(f"2026-01-05T{text}").replace(tzinfo=UTC)


def rows(conn: psycopg.Connection, table: str) -> set[tuple[Any, ...]]:
    """What the table holds, with ids as texts and without what the load dates."""
    found = conn.execute(f"select {COLUMNS[table]} from {table}").fetchall()
    return {tuple(str(v) if type(v).__name__ == "UUID" else v for v in row) for row in found}


def everything(conn: psycopg.Connection) -> dict[str, set[tuple[Any, ...]]]:
    return {table: rows(conn, table) for table in COLUMNS}


def add_user(conn: psycopg.Connection, user_id: str, name: str, email: str | None) -> None:
    conn.execute(
        "insert into one_roster_user values (%s, %s, 'X', %s, null, 'active', now(), now())",
        [user_id, name, email],
    )


# -- what real senders send ------------------------------------------------------------------------


def xp(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute("select user_id::text, value, date_generated from tb_xp_ledger order by 3").fetchall()


def without(thing: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name not in names}


OBJECT = activity("x", "", 1)["object"]
