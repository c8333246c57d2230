"""What was observed in sessions: waste, proctoring and cheating events, journals; and recommendations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from uuid import UUID

from .rules import (
    Project,
    Row,
    Tables,
    by_key,
    date_of,
    grouped,
    round_half_away,
    seconds,
    union_length,
    whole_seconds,
)

Scoped = Iterator[tuple[UUID | None, Row]]

WASTE_CATEGORIES = {"Engagement", "Proctoring", "Cheating"}


def observed(tables: Tables) -> list[Row]:
    """Every insight with its type and insights session; one that lacks either says nothing about anybody."""
    types = by_key(tables["insights_type"], "id")
    sessions = by_key(tables["insights_session"], "id")
    rows = []
    for insight in tables["insights_insight"]:
        kind, session = types.get(insight["insight_type_id"]), sessions.get(insight["session_id"])
        if kind is not None and session is not None:
            rows.append(
                {
                    **insight,
                    "slug": kind["slug"],
                    "category": kind["category"],
                    "visibility": kind["visibility"],
                    "is_waste": kind["is_waste"],
                    "caliper_session_id": session["caliper_session_id"],
                    "student_id": session["user_id"],
                    "learning_app_id": session["application_id"],
                    "is_proctored": session["is_proctored"] is True,
                }
            )
    return rows


def confirmed_events(tables: Tables) -> list[Row]:
    """The insights that consumers may see as events.

    Of an external type; visible; not ended before they started; and where the type asks for review, the
    latest review (the highest id, where two came at once) is a TruePositive.
    """
    needs_review = {row["insight_type_id"] for row in tables["insights_config"] if row["requires_review"]}
    reviews = grouped(tables["insights_review"], "insight_id")

    def is_confirmed(event: Row) -> bool:
        if event["insight_type_id"] not in needs_review:
            return True
        latest = max(
            reviews.get(event["id"], []),
            key=lambda review: (review["reviewed_at"], review["id"]),
            default=None,
        )
        return latest is not None and latest["result"] == "TruePositive"

    return [
        event
        for event in observed(tables)
        if event["visibility"] == "external"
        and event["is_visible"]
        and event["started_at_time"] <= event["ended_at_time"]
        and is_confirmed(event)
    ]


def cheating_events(tables: Tables) -> list[Row]:
    """Confirmed events of the category Cheating, in proctored sessions or not."""
    return [event for event in confirmed_events(tables) if event["category"] == "Cheating"]


def proctoring_events(tables: Tables) -> list[Row]:
    """Confirmed events of the category Proctoring, of insights sessions that were themselves proctored."""
    return [
        event
        for event in confirmed_events(tables)
        if event["category"] == "Proctoring" and event["is_proctored"]
    ]


def waste_events(tables: Tables) -> list[Row]:
    """Confirmed events of the types flagged as waste, in proctored sessions or not."""
    return [
        event
        for event in confirmed_events(tables)
        if event["is_waste"] and event["category"] in WASTE_CATEGORIES
    ]


def violation_rows(events: Iterable[Row]) -> Scoped:
    """The rows of a dataset of cheating or proctoring events, each under its own session's student."""
    for event in events:
        yield (
            event["student_id"],
            {
                "session_id": event["caliper_session_id"],
                "insight_type": event["slug"],
                "started_at_time": event["started_at_time"],
                "ended_at_time": event["ended_at_time"],
                "duration_sec": whole_seconds(event["started_at_time"], event["ended_at_time"]),
                "description": event["reason"],
            },
        )


def cheating_insights(tables: Tables, project: Project) -> Scoped:
    """One row a confirmed cheating event."""
    return violation_rows(cheating_events(tables))


def proctoring_insights(tables: Tables, project: Project) -> Scoped:
    """One row a confirmed proctoring event of a proctored session."""
    return violation_rows(proctoring_events(tables))


def waste_insights(tables: Tables, project: Project) -> Scoped:
    """One row a confirmed waste event."""
    for event in waste_events(tables):
        yield (
            event["student_id"],
            {
                "waste_duration_sec": whole_seconds(event["started_at_time"], event["ended_at_time"]),
                "waste_type": event["slug"],
                "session_id": event["caliper_session_id"],
                "started_at_time": event["started_at_time"],
                "ended_at_time": event["ended_at_time"],
                "description": event["reason"],
            },
        )


def session_totals(
    tables: Tables, events: Iterable[Row], column: str, measure: Callable[[list[Row]], Fraction]
) -> Scoped:
    """One row a session with any time to show, rounded once after summing.

    The session's student is that of its insights session with the lowest id, whether or not that one has
    events, and only that student's events count. A total that rounds to zero has no row.
    """
    student_of = {
        session_id: min(rows, key=lambda row: row["id"])["user_id"]
        for session_id, rows in grouped(tables["insights_session"], "caliper_session_id").items()
    }
    for session_id, rows in grouped(events, "caliper_session_id").items():
        student_id = student_of[session_id]
        total = round_half_away(measure([row for row in rows if row["student_id"] == student_id]))
        if total > 0:
            yield student_id, {"session_id": session_id, column: total}


def merged_seconds(events: list[Row]) -> Fraction:
    """Time during which at least one of the events was going on."""
    return union_length((event["started_at_time"], event["ended_at_time"]) for event in events)


def summed_seconds(events: list[Row]) -> Fraction:
    """The lengths of the events added up, overlaps counted as often as they occur."""
    return sum((seconds(event["ended_at_time"] - event["started_at_time"]) for event in events), Fraction(0))


def sessions_cheating(tables: Tables, project: Project) -> Scoped:
    """Cheating time of a session, overlaps merged."""
    return session_totals(tables, cheating_events(tables), "cheating_duration_sec", merged_seconds)


def sessions_proctoring(tables: Tables, project: Project) -> Scoped:
    """Proctoring violation time of a session, overlaps merged."""
    return session_totals(tables, proctoring_events(tables), "proctoring_duration_sec", merged_seconds)


def sessions_waste(tables: Tables, project: Project) -> Scoped:
    """Waste time of a session, overlaps not merged."""
    return session_totals(tables, waste_events(tables), "waste_duration_sec", summed_seconds)


def student_journals(tables: Tables, project: Project) -> Scoped:
    """Journal entries of an external type. Neither is_visible, nor reviews, nor an end is asked of them."""
    for entry in observed(tables):
        if entry["slug"] == "Journal" and entry["visibility"] == "external":
            yield (
                entry["student_id"],
                {
                    "id": entry["id"],
                    "student_id": entry["student_id"],
                    "session_id": entry["caliper_session_id"],
                    "learning_app_id": entry["learning_app_id"],
                    "journal_text": entry["reason"],
                    "date": date_of(entry["started_at_time"], project),
                    "timestamp": entry["started_at_time"],
                },
            )


def recommendations(tables: Tables, project: Project) -> Scoped:
    """What students may be shown; internal recommendations never leave."""
    for row in tables["insights_recommendation"]:
        if row["visibility"] == "student":
            yield (
                row["user_id"],
                {
                    "id": row["id"],
                    "student_id": row["user_id"],
                    "type": row["type"],
                    "source": row["source"],
                    "source_reference_id": row["source_reference_id"],
                    "title": row["title"],
                    "visibility": row["visibility"],
                    "content": row["content"],
                    "date": date_of(row["generated_at"], project),
                    "generated_at": row["generated_at"],
                    "delivered_at": row["delivered_at"],
                    "feedback_sentiment": row["feedback_sentiment"],
                    "feedback_text": row["feedback_text"],
                    "feedback_at": row["feedback_at"],
                },
            )
