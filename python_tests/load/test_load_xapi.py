"""xAPI statements: what they become in the tables of events, whatever order they come in."""

import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_helpers import Load, contents, loader_of_lines, places_in, refused

from timeback_analytics.load import LoadError

ADA = "a0000000-0000-4000-8000-00000000000a"
QUIZ, ITEM = "https://lms.example/quiz/1", "https://lms.example/quiz/1/q/1"
ADL = "http://adlnet.gov/expapi"


@pytest.fixture
def ready(conn: psycopg.Connection) -> psycopg.Connection:
    conn.execute(
        "insert into one_roster_user"
        " values (%s, 'Ada', 'X', 'ada@school.example', null, 'active', now(), now())",
        [ADA],
    )
    return conn


@pytest.fixture
def load_lines(ready: psycopg.Connection, tmp_path: Path) -> Load:
    return loader_of_lines("xapi", ready, tmp_path)


def statement_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def statement(number: int, verb: str, time: str, **changed: Any) -> dict[str, Any]:
    """A statement of Ada about a question of a quiz."""
    return {
        "id": statement_id(number),
        "actor": {"account": {"homePage": "https://sis.example", "name": ADA}},
        "verb": {"id": f"{ADL}/verbs/{verb}", "display": {"en-US": verb}},
        "object": {
            "id": ITEM,
            "definition": {
                "type": f"{ADL}/activities/cmi.interaction",
                "name": {"de": "Frage", "en": "Question"},
                "interactionType": "choice",
            },
        },
        "context": {
            "platform": "Quizzes",
            "contextActivities": {
                "parent": [
                    {
                        "id": QUIZ,
                        "definition": {"type": f"{ADL}/activities/assessment", "name": {"en": "Quiz"}},
                    }
                ]
            },
        },
        "timestamp": f"2026-01-05T{time}Z",
        "stored": "2026-01-05T23:00:00Z",
        **changed,
    }


def about_quiz(number: int, verb: str, time: str, **changed: Any) -> dict[str, Any]:
    return statement(
        number,
        verb,
        time,
        **{
            "object": {
                "id": QUIZ,
                "objectType": "Activity",
                "definition": {"type": f"{ADL}/activities/assessment"},
            },
            "context": {"platform": "Quizzes", "registration": "R0000000-0000-4000-8000-000000000001"},
            **changed,
        },
    )


DAY = [
    about_quiz(1, "initialized", "10:00:00"),
    statement(2, "answered", "10:01:00", result={"success": False, "duration": "PT30S", "response": "a"}),
    statement(3, "answered", "10:02:00", result={"success": True, "duration": "PT20.5S"}),
    about_quiz(4, "completed", "10:05:00", result={"completion": True, "duration": "PT5M"}),
    about_quiz(5, "scored", "10:06:00", result={"score": {"raw": "17", "min": 0, "max": 20, "scaled": 0.85}}),
    statement(6, "experienced", "10:07:00", result={}),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-05T{text}").replace(tzinfo=UTC)


def everything(conn: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    queries = {
        "attempts": "select assignee_id::text, assignable_id, started_at_time, ended_at_time, duration"
        " from caliper_attempt order by 3",
        "scores": "select assignable_id, score_given, max_score, s.date_created from caliper_score s"
        " join caliper_attempt a on a.id = s.attempt_id order by 4",
        "events": "select id, type, action, actor_id, event_time from caliper_event order by 1",
        "sessions": "select user_id::text, name, started_at_time, ended_at_time from caliper_session"
        " join lti_application a on a.id = client_id order by 3",
        "unplaced events": "select id from caliper_event"
        " where session_id not in (select id from caliper_session)",
        "items": "select id, name, media_type from caliper_assessment_item",
        "tests": "select id, name from caliper_assessment",
        "relations": "select source_id, destination_id, relationship_type from caliper_resource_relation",
    }
    return {name: conn.execute(query).fetchall() for name, query in queries.items()}


def event_row(number: int, kind: str, action: str, time: str) -> tuple[Any, ...]:
    return f"urn:uuid:{statement_id(number)}", kind, action, ADA, at(time)


EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "attempts": [
        (ADA, QUIZ, at("10:00"), at("10:05"), "PT5M"),
        (ADA, ITEM, at("10:00:30"), at("10:01"), "PT30S"),
        (ADA, ITEM, datetime(2026, 1, 5, 10, 1, 39, 500000, UTC), at("10:02"), "PT20.5S"),
    ],
    "scores": [
        (ITEM, 0, 1, at("10:01")),
        (ITEM, 1, 1, at("10:02")),
        (QUIZ, 17, 20, at("10:06")),
    ],
    "events": [
        event_row(1, "AssessmentEvent", "Started", "10:00"),
        event_row(2, "AssessmentItemEvent", "Completed", "10:01"),
        event_row(3, "AssessmentItemEvent", "Completed", "10:02"),
        event_row(4, "AssessmentEvent", "Completed", "10:05"),
        event_row(5, "GradeEvent", "Graded", "10:06"),
        event_row(6, "Event", "Experienced", "10:07"),
    ],
    "sessions": [(ADA, "Quizzes", at("10:00"), at("10:07"))],
    "unplaced events": [],
    "items": [(ITEM, "Question", "choice")],
    "tests": [(QUIZ, "Quiz")],
    "relations": [(ITEM, QUIZ, "isPartOf")],
}


def test_a_day(ready: psycopg.Connection, load_lines: Load) -> None:
    report = load_lines({"statements": DAY, "more": ""})
    assert report.what == "xAPI: 6 statements"
    assert everything(ready) == EXPECTED
    before = contents(ready)
    assert load_lines(*DAY, *DAY).changes == 0
    assert contents(ready) == before


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_order_in_two_loads(ready: psycopg.Connection, load_lines: Load, seed: int) -> None:
    """Sessions are found in what has come so far, so that one load brings the first and the last of it."""
    chance = random.Random(seed)
    statements = chance.sample(DAY, len(DAY))
    cut = chance.randrange(len(statements))
    with ready.transaction(force_rollback=True):
        if cut:
            load_lines(statements[:cut])
        load_lines(*statements[cut:])
        found = everything(ready)
        assert found == EXPECTED


@pytest.mark.parametrize(
    "actor",
    [
        {"mbox": "mailto:ADA@school.example"},
        {"mbox": "ada@school.example"},
        {"objectType": "Agent", "account": {"homePage": "https://x.example/", "name": "ada@school.example"}},
        {"account": {"name": ADA.upper()}},
        {"openid": f"https://id.example/users/{ADA}"},
    ],
)
def test_actors(ready: psycopg.Connection, load_lines: Load, actor: dict[str, Any]) -> None:
    load_lines(*({**one, "actor": actor} for one in DAY))
    found = everything(ready)
    assert (found["attempts"], found["sessions"]) == (EXPECTED["attempts"], EXPECTED["sessions"])


def test_a_stranger_and_a_group(ready: psycopg.Connection, load_lines: Load) -> None:
    nobody = {"mbox_sha1sum": "ebd31e95054c018b10727ccffd2ef2ec3a016ee9"}
    group = {"objectType": "Group", "member": [{"mbox": "mailto:ada@school.example"}]}
    report = load_lines({**DAY[1], "actor": nobody}, {**DAY[2], "actor": group})
    found = everything(ready)
    assert (found["attempts"], found["scores"]) == ([], [])
    assert len(found["events"]) == 2
    assert "Left out: 2 attempts of people who are not known." in report.notes


@pytest.mark.parametrize(
    ("result", "points"),
    [
        ({"score": {"raw": 3, "max": "4"}, "success": True}, (3, 4)),
        ({"score": {"scaled": "-0.5", "raw": 3}}, (Decimal("-0.5"), 1)),
        ({"score": {"raw": 3}, "success": True}, (1, 1)),
        ({"score": {"raw": 3}}, (3, None)),
        ({"score": "high", "success": "true"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_scores(ready: psycopg.Connection, load_lines: Load, result: Any, points: Any) -> None:
    load_lines(statement(2, "answered", "10:01:00", result=result))
    found = ready.execute("select score_given, max_score from caliper_score").fetchall()
    assert found == ([points] if points else [])


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("is_first", [True, False])
def test_voided(ready: psycopg.Connection, load_lines: Load, is_stored: bool, is_first: bool) -> None:
    """What a voided statement brought goes, loaded earlier, with it, before or after it."""
    target = {"objectType": "StatementRef", "id": statement_id(3).upper()}
    void = statement(9, "voided", "12:00:00", object=target)
    if is_stored:
        load_lines(*DAY)
        load_lines(void)
    else:
        load_lines(*([void, *DAY] if is_first else [*DAY, void]))
    found = everything(ready)
    assert found["attempts"] == [row for row in EXPECTED["attempts"] if row[4] != "PT20.5S"]
    assert found["scores"] == [row for row in EXPECTED["scores"] if row[3] != at("10:02")]
    assert [row[0][-1] for row in found["events"]] == ["1", "2", "4", "5", "6", "9"]


def test_a_score_of_an_answer(ready: psycopg.Connection, load_lines: Load) -> None:
    """A StatementRef to the answer: the score is one of its attempt."""
    ref = {"objectType": "StatementRef", "id": statement_id(2)}
    load_lines(statement(7, "scored", "11:00:00", object=ref, result={"score": {"raw": 1, "max": 2}}))
    load_lines({**DAY[1], "result": {"duration": "PT30S"}})
    assert everything(ready)["scores"] == [(ITEM, 1, 2, at("11:00"))]


def test_a_session_that_cmi5_names(ready: psycopg.Connection, load_lines: Load) -> None:
    context = {
        "platform": "P",
        "extensions": {"https://w3id.org/xapi/cmi5/context/extensions/sessionid": "S-1"},
    }
    load_lines(*(statement(n, verb, time, context=context) for n, verb, time in (
        (1, "terminated", "11:30:00"),
        (2, "initialized", "09:00:00"),
    )))  # fmt: skip
    assert everything(ready)["sessions"] == [(ADA, "P", at("09:00"), at("11:30"))]
    assert ready.execute("select distinct session_id from caliper_event").fetchall() == [("S-1",)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"type": "ActivityEvent", "actor": "x"}, "this is not a statement"),
        ([5], "this is not a statement"),
        ({key: value for key, value in DAY[1].items() if key not in ("timestamp", "stored")}, "no timestamp"),
        ({**DAY[1], "timestamp": "soon"}, "this is not a time"),
        ({**DAY[1], "verb": {"display": {}}}, "the verb has no id"),
        (statement(9, "voided", "12:00:00", object={"objectType": "StatementRef"}), "it voids nothing"),
    ],
)
def test_what_is_none(ready: psycopg.Connection, tmp_path: Path, value: Any, reason: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(DAY[0]) + "\n" + json.dumps(value) + "\n")
    error = refused(ready, path, "xapi")
    assert (error.total, error.problems[0].line) == (1, 2)
    assert reason.replace("it voids", "voids") in error.problems[0].reason


_JSON = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.just([])
    | st.just({})
    | st.just([{}])
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_comes_is_loaded_or_told(
    ready: psycopg.Connection, load_lines: Load, data: st.DataObject
) -> None:
    value: Any = json.loads(json.dumps(DAY))
    place = data.draw(st.sampled_from(places_in(value)[1:]))
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = data.draw(_JSON)
    with ready.transaction(force_rollback=True):
        before = contents(ready)
        try:
            load_lines(value)
        except LoadError as error:
            assert contents(ready) == before
            assert all(problem.line == 1 for problem in error.problems)
        else:
            assert load_lines(value).changes == 0
