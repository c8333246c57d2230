"""The demo's sessions, attempts, scores and XP, sent as Caliper envelopes, come in as they were."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from timeback_analytics.demo import build_demo
from timeback_analytics.load import load
from timeback_analytics.server import EmbeddedServer

HOST = "https://api.example/ims/oneroster/rostering/v1p2"
# What a load dates by itself is not compared.
SAME = {
    "caliper_session": "id, user_id, client_id, started_at_time, ended_at_time",
    # an attempt without an end has that of its event, and one without a start likewise
    "caliper_attempt": "id, assignee_id, assignable_id, count, duration,"
    " coalesce(started_at_time, (select min(event_time) from caliper_event e where e.generated_id ="
    " caliper_attempt.id and e.action = 'Started')),"
    " coalesce(ended_at_time, (select max(event_time) from caliper_event e where e.generated_id ="
    " caliper_attempt.id and e.action in ('Completed', 'Submitted', 'Skipped')))",
    "caliper_score": "id, attempt_id, score_given, max_score, date_created",
    "caliper_event": "id, type, action, actor_id, object_id, generated_id, session_id, event_time",
}


@pytest.fixture(scope="module")
def demo(embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> Iterator[psycopg.Connection]:
    """A connection to a fresh demo, without views."""
    with psycopg.connect(embedded_server.dsn(new_database("demo_events")), autocommit=True) as conn:
        build_demo(connection=conn)
        conn.execute("set search_path = operational")
        yield conn


def rows(conn: psycopg.Connection, query: str) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def iso(value: Any) -> str | None:
    return None if value is None else value.isoformat()


def user(user_id: Any) -> dict[str, str] | None:
    return None if user_id is None else {"id": f"{HOST}/users/{user_id}", "type": "Person"}


def app(app_id: Any) -> dict[str, str] | None:
    return None if app_id is None else {"id": f"urn:uuid:{app_id}", "type": "SoftwareApplication"}


def things(conn: psycopg.Connection) -> dict[str, dict[str, dict[str, Any]]]:
    """Sessions, attempts and scores as Caliper's entities, by id."""
    return {
        "session": {
            row["id"]: {
                "id": row["id"],
                "type": "Session",
                "user": user(row["user_id"]),
                "client": app(row["client_id"]),
                "startedAtTime": iso(row["started_at_time"]),
                "endedAtTime": iso(row["ended_at_time"]),
            }
            for row in rows(conn, "select * from caliper_session")
        },
        "attempt": {
            row["id"]: {
                "id": row["id"],
                "type": "Attempt",
                "assignee": user(row["assignee_id"]),
                "assignable": row["assignable_id"],
                "count": row["count"],
                "startedAtTime": iso(row["started_at_time"]),
                "endedAtTime": iso(row["ended_at_time"]),
                "duration": row["duration"],
            }
            for row in rows(conn, "select * from caliper_attempt")
        },
        "score": {
            row["id"]: {
                "id": row["id"],
                "type": "Score",
                "attempt": row["attempt_id"],
                "scoreGiven": None if row["score_given"] is None else str(row["score_given"]),
                "maxScore": None if row["max_score"] is None else str(row["max_score"]),
                "dateCreated": iso(row["date_created"]),
            }
            for row in rows(conn, "select * from caliper_score")
        },
    }


def envelopes(conn: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """The demo's events with what they are about, then what no event is about, then XP as activities."""
    of = things(conn)
    told: set[str] = set()
    data: list[dict[str, Any]] = []
    students = {str(row["id"]) for row in rows(conn, "select id from one_roster_user")}

    def entity(kinds: tuple[str, ...], name: str | None) -> Any:
        for kind in kinds:
            if name in of[kind]:
                told.add(name)
                return of[kind][name]
        return name

    for row in rows(conn, "select * from caliper_event order by md5(id)"):
        actor = row["actor_id"]
        data.append(
            {
                "id": row["id"],
                "type": row["type"],
                "action": row["action"],
                "actor": user(actor) if actor in students else actor,
                "object": row["object_id"],
                "generated": entity(("attempt", "score"), row["generated_id"]),
                "session": entity(("session",), row["session_id"]),
                "eventTime": iso(row["event_time"]),
            }
        )
    data += [thing for kind in of.values() for name, thing in kind.items() if name not in told]
    sessions = dict(conn.execute("select id, session_id from caliper_event").fetchall())
    for row in rows(conn, "select * from tb_xp_ledger"):
        data.append(
            {
                "id": f"urn:uuid:{row['id']}",
                "type": "ActivityEvent",
                "action": "Completed",
                "actor": user(row["user_id"]),
                "object": {
                    "id": "https://demo.example/activity",
                    "type": "TimebackActivityContext",
                    "app": {"id": f"urn:uuid:{row['application_id']}"},
                },
                "generated": {
                    "type": "TimebackActivityMetricsCollection",
                    "items": [{"type": "xpEarned", "value": str(row["value"])}],
                },
                "session": sessions.get(row["source_event_id"]),
                # the ledger dates an entry a little later than its event; its day is that of the entry
                "eventTime": iso(row["date_created"] or row["date_generated"]),
            }
        )
    for start in range(0, len(data), 500):
        yield {
            "sensor": "https://demo.example",
            "sendTime": "2026-11-01T00:00:00Z",
            "data": data[start : start + 500],
        }


# Rows that are of somebody whom events can be of. The people of the cases made by hand are left out: some
# have what events cannot say, such as an end before the start, or a ledger entry without a date.
EDGES = "select assignee_id from caliper_attempt where assignable_id like 'urn:malformed:%'"
PEOPLE = "select id from one_roster_user where id <> all(%(edges)s)"
XP = (
    "select x.user_id, x.application_id, e.session_id, (x.date_created at time zone 'UTC')::date,"
    " sum(x.value) from tb_xp_ledger x left join caliper_event e on e.id = x.source_event_id"
    f" where x.user_id in ({PEOPLE}) group by 1, 2, 3, 4"
)
WHERE = {
    "caliper_session": f"user_id in ({PEOPLE})",
    "caliper_attempt": f"assignee_id in ({PEOPLE})",
    "caliper_score": f"attempt_id in (select id from caliper_attempt where assignee_id in ({PEOPLE}))",
    # the XP came as events of their own
    "caliper_event": "type <> 'ActivityEvent'",
}


def contents(conn: psycopg.Connection, edges: list[Any]) -> dict[str, set[tuple[Any, ...]]]:
    """The rows of each table, and XP by person, application, session and day, as the dataset has it."""
    queries = {
        table: f"select {columns} from {table} where {WHERE[table]}" for table, columns in SAME.items()
    }
    queries["tb_xp_ledger"] = XP
    return {
        table: set(conn.execute(query, {"edges": edges} if "%(" in query else None).fetchall())
        for table, query in queries.items()
    }


def test_the_demo_as_envelopes(demo: psycopg.Connection, tmp_path: Path) -> None:
    """All that the datasets of sessions, attempts, results and XP are made of is the same afterwards."""
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(envelope) + "\n" for envelope in envelopes(demo)))
    edges = [row[0] for row in demo.execute(EDGES)]
    before = contents(demo, edges)
    assert all(len(found) > 1_000 for found in before.values())
    demo.execute("truncate caliper_session, caliper_attempt, caliper_score, caliper_event, tb_xp_ledger")
    load("caliper", path, connection=demo)
    after = contents(demo, edges)
    for table, found in before.items():
        assert (table, found - after[table], after[table] - found) == (table, set(), set())
