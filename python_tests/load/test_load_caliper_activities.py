"""Caliper events that belong together: attempts with their scores, sessions, and what deletes them again."""

from decimal import Decimal

import psycopg
import pytest
from caliper_events import (
    ADA,
    ATTEMPT,
    BOB,
    DAY,
    ITEM,
    SESSION,
    activity,
    event,
    grade,
    page,
    question,
    stored,
    urn,
    user,
)
from caliper_tables import MATH, at, everything, rows
from load_helpers import Load

# -- attempts, responses, scores -------------------------------------------------------------------


def test_responses_and_grades_that_name_each_other(people: psycopg.Connection, load_events: Load) -> None:
    """A grade of a response is one of its attempt; a response without an attempt is one."""
    response, alone = f"{ITEM}/responses/q1", "https://math.example/items/2/responses/q2"
    second = question("q2", 2, "2026-01-05T10:03:00Z")
    del second["generated"]["attempt"]
    second["generated"]["startedAtTime"] = "2026-01-05T10:02:30Z"
    of_response = grade("g1", response, 1, "2026-01-05T10:02:00Z")
    del of_response["generated"]["attempt"]
    load_events(
        of_response,
        grade("g2", alone, "0.5", "2026-01-05T10:04:00Z"),
        question("q1", 1, "2026-01-05T10:01:00Z"),
        second,
    )
    assert rows(people, "caliper_attempt") == {
        (ATTEMPT, ADA, ITEM, 1, at("10:00"), at("10:01"), "PT30S"),
        (alone, ADA, "https://math.example/items/2", None, at("10:02:30"), at("10:03"), None),
    }
    assert {row[:3] for row in rows(people, "caliper_score")} == {
        (urn("g1/score"), ATTEMPT, 1),
        (urn("g2/score"), alone, Decimal("0.5")),
    }
    assert {(row[0], row[4]) for row in rows(people, "caliper_event") if row[1] == "GradeEvent"} == {
        (urn("g1"), ATTEMPT),
        (urn("g2"), alone),
    }


def test_started_and_completed_are_one_attempt(people: psycopg.Connection, load_events: Load) -> None:
    """In two loads, the end first; the times are those of the events, since nothing says others."""
    started = question("s", 1, "2026-01-05T10:00:30Z", "Started", generated=ATTEMPT)
    completed = question("c", 1, "2026-01-05T10:01:30Z", generated={"id": ATTEMPT, "type": "Attempt"})
    load_events(completed)
    load_events(started)
    assert rows(people, "caliper_attempt") == {
        (ATTEMPT, ADA, ITEM, None, at("10:00:30"), at("10:01:30"), None)
    }
    assert load_events(started, completed).changes == 0


def test_an_attempt_that_another_event_made(people: psycopg.Connection, load_events: Load) -> None:
    """An event of a type that need not have attempts."""
    made = {"id": ATTEMPT, "type": "Attempt", "startedAtTime": "2026-01-05T10:00:00Z"}
    load_events(event("v", "ViewEvent", "Viewed", "2026-01-05T10:00:00Z", object=ITEM, generated=made))
    assert rows(people, "caliper_attempt") == {(ATTEMPT, ADA, ITEM, None, at("10:00"), None, None)}


def test_a_score_waits_for_its_attempt(people: psycopg.Connection, load_events: Load) -> None:
    report = load_events(grade("g1", ATTEMPT, "x", "2026-01-05T10:02:00Z"))
    assert "1 scores are of attempts that no event tells about; they wait for them." in report.notes
    assert "scores that are not a number were left empty: 1." in report.notes
    assert {row[:4] for row in rows(people, "caliper_score")} == {(urn("g1/score"), ATTEMPT, None, 1)}


def test_the_score_that_was_given_last_counts(people: psycopg.Connection, load_events: Load) -> None:
    early = grade("g1", ATTEMPT, 0, "2026-01-05T10:02:00Z")
    late = grade("g2", ATTEMPT, 1, "2026-01-05T10:03:00Z", generated={**early["generated"], "scoreGiven": 1})
    for first, second in ((early, late), (late, early)):
        with people.transaction(force_rollback=True):
            load_events(first)
            load_events(second)
            assert {row[2:] for row in rows(people, "caliper_score")} == {(1, 1, at("10:03"))}


# -- sessions --------------------------------------------------------------------------------------


def test_a_session_of_which_only_activities_are_known(people: psycopg.Connection, load_events: Load) -> None:
    load_events(activity("b", "2026-01-05T10:30:00Z", 1, session=SESSION))
    load_events(activity("a", "2026-01-05T10:10:00Z", 1, session=SESSION))
    assert rows(people, "caliper_session") == {(SESSION, ADA, MATH, at("10:10"), None)}


def test_sessions_that_are_left_to_be_found(people: psycopg.Connection, load_events: Load) -> None:
    """urn:tag: is not a session: an hour without an event of the person in the application ends one."""
    tag = "urn:tag:auto-attach"
    times = ["10:00", "10:59", "11:59", "13:00", "13:30"]
    events = [activity(time, f"2026-01-05T{time}:00Z", 1, session=tag) for time in times]
    of_bob = activity("bob", "2026-01-05T10:30:00Z", 1, session=tag, actor=user(BOB))
    load_events(*reversed(events), of_bob)
    found = rows(people, "caliper_session")
    assert {row[1:] for row in found} == {
        (ADA, MATH, at("10:00"), at("11:59")),
        (ADA, MATH, at("13:00"), at("13:30")),
        (BOB, MATH, at("10:30"), at("10:30")),
    }
    of_event = {row[0]: row[6] for row in rows(people, "caliper_event")}
    assert len({of_event[urn(time)] for time in times[:3]}) == 1
    assert len(set(of_event.values())) == 3
    assert load_events(*events).changes == 0
    # one that goes on in the next load, and one before its start
    load_events(
        activity("14:30", "2026-01-05T14:30:00Z", 1, session=tag),
        activity("12:59", "2026-01-05T12:59:30Z", 1, session=tag),
    )
    assert {row[0]: row[3:] for row in rows(people, "caliper_session")}[of_event[urn("13:00")]] == (
        at("12:59:30"),
        at("14:30"),
    )
    assert len(rows(people, "caliper_session")) == 3


# -- deleted events --------------------------------------------------------------------------------


GONE = "2026-01-07T00:00:00Z"


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_deleted_events(
    people: psycopg.Connection, load_events: Load, is_stored: bool, is_reversed: bool
) -> None:
    """What a deleted event brought goes, what others tell of too stays; in one load, in any order."""
    deleted = [
        stored(n, one, deleted_at=GONE)
        for n, one in enumerate(DAY)
        if one["id"] in map(urn, ("g2", "a1", "q1"))
    ]
    if is_stored:
        load_events(*DAY)
    loaded = [*DAY, *deleted]
    report = load_events(*(reversed(loaded) if is_reversed else loaded))
    assert "3 events were deleted by their sender, and what they brought goes." in report.notes
    assert {row[0] for row in rows(people, "caliper_event")} == {one["id"] for one in DAY} - {
        urn("g2"),
        urn("a1"),
        urn("q1"),
    }
    assert {row[2] for row in rows(people, "tb_xp_ledger")} == {urn("a2")}
    assert {row[0] for row in rows(people, "caliper_score")} == {urn("g1/score")}
    # a grade that stays speaks of the attempt, but not of whose it is
    assert len(rows(people, "caliper_attempt")) == (1 if is_stored else 0)
    assert {row[0] for row in rows(people, "caliper_session")} == {SESSION}


def test_everything_of_a_thing_is_deleted(people: psycopg.Connection, load_events: Load) -> None:
    load_events(*DAY)
    load_events(page(*(stored(n, one, deleted_at=GONE) for n, one in enumerate(DAY))))
    left = {table: found for table, found in everything(people).items() if found}
    assert set(left) == {
        "lti_application",
        "caliper_assessment",
        "caliper_assessment_item",
        "caliper_assignable_digital_resource",
        "caliper_resource_relation",
    }
