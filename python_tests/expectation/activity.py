"""Sessions, first attempts and what they sum up to, and experience points."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from .rules import (
    Project,
    Row,
    Tables,
    client_duration,
    date_of,
    earliest,
    grouped,
    null_last,
    round_half_away,
    whole_seconds,
)

Scoped = Iterator[tuple[UUID | None, Row]]


def closed_session(session: Row) -> tuple[datetime | None, Decimal | None]:
    """End and whole seconds of a session; an end before the start means that it was never properly closed."""
    start, end = session["started_at_time"], session["ended_at_time"]
    if end is None or end < start:
        return None, None
    return end, whole_seconds(start, end)


def sessions(tables: Tables, project: Project) -> Scoped:
    """Every session, once; a flag is true when any of its insights sessions says so, else false."""
    of_session = grouped(tables["insights_session"], "caliper_session_id")
    for session in tables["caliper_session"]:
        end, duration = closed_session(session)
        insights = of_session.get(session["id"], [])
        yield (
            session["user_id"],
            {
                "id": session["id"],
                "student_id": session["user_id"],
                "learning_app_id": session["client_id"],
                "date": date_of(session["started_at_time"], project),
                "start_time": session["started_at_time"],
                "end_time": end,
                "duration_sec": duration,
                "webcam_enabled": any(row["webcam_enabled"] for row in insights),
                "is_proctored": any(row["is_proctored"] for row in insights),
            },
        )


def attempt_duration(attempt: Row) -> Decimal | None:
    """The client's duration where it gave one that counts, else end minus start where both are in order."""
    duration = client_duration(attempt["duration"])
    if duration is not None:
        return round_half_away(duration)
    start, end = attempt["started_at_time"], attempt["ended_at_time"]
    if start is None or end is None or end < start:
        return None
    return whole_seconds(start, end)


def is_correct(scores: list[Row]) -> bool | None:
    """Whether the newest score is full marks; null without a score row, or where a mark is missing in it."""
    if not scores:
        return None
    newest = max(scores, key=lambda score: (score["date_created"], score["id"]))
    if newest["score_given"] is None or newest["max_score"] is None:
        return None
    return newest["score_given"] == newest["max_score"]


def attempt_session(events: list[Row]) -> str | None:
    """The session of the earliest event that names one, the lowest event id deciding between two."""
    with_session = [event for event in events if event["session_id"] is not None]
    first = min(with_session, key=lambda event: (event["event_time"], event["id"]), default=None)
    return None if first is None else first["session_id"]


def first_attempts(tables: Tables, project: Project) -> list[Row]:
    """The first attempt of a student on a resource: earliest start, then lowest count, then lowest id."""
    scores = grouped(tables["caliper_score"], "attempt_id")
    # An event concerns the attempt that it generated, or that it acted on.
    concerning: dict[str | None, list[Row]] = {}
    for event in tables["caliper_event"]:
        for attempt_id in {event["generated_id"], event["object_id"]}:
            concerning.setdefault(attempt_id, []).append(event)
    rows = []
    for (student_id, resource_id), attempts in grouped(
        tables["caliper_attempt"], "assignee_id", "assignable_id"
    ).items():
        first = min(
            attempts,
            key=lambda attempt: (
                null_last(attempt["started_at_time"]),
                null_last(attempt["count"]),
                attempt["id"],
            ),
        )
        events = concerning.get(first["id"], [])
        rows.append(
            {
                "student_id": student_id,
                "resource_id": resource_id,
                "session_id": attempt_session(events),
                "date": date_of(first["started_at_time"], project),
                "start_time": first["started_at_time"],
                "end_time": first["ended_at_time"],
                "duration_sec": attempt_duration(first),
                "is_correct": is_correct(scores.get(first["id"], [])),
            }
        )
    return rows


def attempts(tables: Tables, project: Project) -> Scoped:
    """First attempts alone; repeats are left out."""
    for row in first_attempts(tables, project):
        yield row["student_id"], row


def aggregated_session_attempts(tables: Tables, project: Project) -> Scoped:
    """First attempts on questions, summed up by session and student."""
    question_ids = {row["id"] for row in tables["caliper_assessment_item"]}
    on_questions = [
        row
        for row in first_attempts(tables, project)
        if row["session_id"] is not None and row["resource_id"] in question_ids
    ]
    for (session_id, student_id), rows in grouped(on_questions, "session_id", "student_id").items():
        durations = [row["duration_sec"] for row in rows if row["duration_sec"] is not None]
        average = Fraction(sum(map(Fraction, durations)), len(durations)) if durations else None
        yield (
            student_id,
            {
                "session_id": session_id,
                "student_id": student_id,
                "date": date_of(earliest(row["start_time"] for row in rows), project),
                "total_questions_answered": sum(row["is_correct"] is not None for row in rows),
                "total_questions_correct": sum(row["is_correct"] is True for row in rows),
                "avg_duration_sec": None if average is None else round_half_away(average),
            },
        )


def students_xp(tables: Tables, project: Project) -> Scoped:
    """The ledger summed up by student, application, session of the source event, and date of creation."""
    session_of_event = {event["id"]: event["session_id"] for event in tables["caliper_event"]}
    totals: dict[tuple, Decimal] = {}
    for entry in tables["tb_xp_ledger"]:
        key = (
            entry["user_id"],
            entry["application_id"],
            session_of_event.get(entry["source_event_id"]),
            date_of(entry["date_created"], project),
        )
        totals[key] = totals.get(key, Decimal(0)) + entry["value"]
    for (student_id, learning_app_id, session_id, day), total in totals.items():
        yield (
            student_id,
            {
                "student_id": student_id,
                "learning_app_id": learning_app_id,
                "session_id": session_id,
                "date": day,
                "total_value": total,
            },
        )
