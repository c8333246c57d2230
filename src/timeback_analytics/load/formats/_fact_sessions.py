"""Sessions of events that name none: urn:tag: in place of a session leaves it to the receiver to find it.

Such events of one person in one application are one session as long as no hour passes without one.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._fact_spool import Spool
from timeback_analytics.load.formats._lenient import instant
from timeback_analytics.load.identifiers import derived_id

HOUR = 3_600_000_000
_PREFIX = "urn:tag:session:"


def find_sessions(spool: Spool, database: Database) -> None:
    """Give the events with a tag their sessions, and add those to the spool's merged_session.

    A stored session that was found so goes on where events are within an hour of it.
    """
    query = (
        "select coalesce(w.user_id, e.person, ''), coalesce(a.app_id, e.app, ''), e.time, e.id,"
        " w.user_id, a.app_id from merged_event e left join who w on w.key = e.person"
        " left join application a on a.key = e.app where e.tag is not null order by 1, 2, 3, 4"
    )
    spool.run("create table found_session (event text primary key, id text) without rowid")
    for owner, events in groupby(spool.run(query), key=lambda row: row[:2]):
        rows = list(events)
        user_id, app_id = rows[0][4:]
        stored = _stored(database, user_id, app_id) if user_id else []
        for session, started, ended, members in _clusters(owner, [row[2:4] for row in rows], stored):
            spool.run(
                "insert into merged_session values (?, ?, null, ?, ?, ?)",
                (session, user_id, app_id, started, ended),
            )
            spool.run_many("insert into found_session values (?, ?)", ((event, session) for event in members))
    spool.run(
        "update merged_event set session = (select id from found_session where event = merged_event.id)"
        " where tag is not null"
    )


def _stored(database: Database, user_id: str, app_id: str | None) -> list[tuple[int, int, str]]:
    """Start, end and id of stored sessions that were found for the person and the application."""
    columns = ("id", "started_at_time", "ended_at_time", "client_id")
    found = []
    for session, started, ended, client_id in database.rows("caliper_session", columns, "user_id", [user_id]):
        if session.startswith(_PREFIX) and client_id == app_id:
            start = instant(started)[0]
            found.append((start, instant(ended)[0] if ended else start, session))
    return found


def _clusters(
    owner: tuple[str, str], events: list[tuple[int, str]], stored: list[tuple[int, int, str]]
) -> Iterator[tuple[str, int, int, list[str]]]:
    """Id, start, end and events of each session that has events among these.

    Args:
        owner: person and application.
        events: time and id.
        stored: start, end and id of the sessions that there are; two of them never become one.
    """
    timed: list[tuple[int, int, str | None, str | None]] = [
        *((start, end, session, None) for start, end, session in stored),
        *((time, time, None, event) for time, event in events),
    ]
    # a stored session before the events that begin with it
    timed.sort(key=lambda one: (one[0], one[2] is None, one[2] or one[3]))
    cluster: dict[str, Any] | None = None
    for start, end, session, event in timed:
        is_other = cluster is not None and session is not None and cluster["id"] not in (None, session)
        if cluster is None or start > cluster["end"] + HOUR or is_other:
            yield from _finished(owner, cluster)
            cluster = {"id": None, "start": start, "end": end, "events": []}
        cluster["id"] = cluster["id"] or session
        cluster["end"] = max(cluster["end"], end)
        if event:
            cluster["events"].append(event)
    yield from _finished(owner, cluster)


def _finished(
    owner: tuple[str, str], cluster: dict[str, Any] | None
) -> Iterator[tuple[str, int, int, list[str]]]:
    if cluster and cluster["events"]:
        session = cluster["id"] or _PREFIX + derived_id("caliper", "session", *owner, cluster["events"][0])
        yield session, cluster["start"], cluster["end"], cluster["events"]
