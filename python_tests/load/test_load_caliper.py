"""Caliper events: what they become, in whatever form and order they come, and what is told of the rest."""

import gzip
import json
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from caliper_events import (
    ADA,
    APP,
    BOB,
    HOST,
    PEOPLE,
    activity,
    envelope,
    event,
    grade,
    page,
    question,
    session_event,
    stored,
    urn,
    user,
    written,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_helpers import contents, counts, refused

from timeback_analytics.load import LoadError, Report, load

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
Load = Callable[..., Report]


def at(text: str) -> datetime:
    """A time of 5 January 2026, UTC."""
    return datetime.fromisoformat(f"2026-01-05T{text}").replace(tzinfo=UTC)


def rows(conn: psycopg.Connection, table: str) -> set[tuple[Any, ...]]:
    """What the table holds, with ids as texts and without what the load dates."""
    found = conn.execute(f"select {COLUMNS[table]} from {table}").fetchall()
    return {tuple(str(v) if type(v).__name__ == "UUID" else v for v in row) for row in found}


def everything(conn: psycopg.Connection) -> dict[str, set[tuple[Any, ...]]]:
    return {table: rows(conn, table) for table in COLUMNS}


@pytest.fixture
def people(conn: psycopg.Connection) -> psycopg.Connection:
    """The connection, with two users in the tables."""
    for user_id, (name, email) in PEOPLE.items():
        add_user(conn, user_id, name, email)
    return conn


def add_user(conn: psycopg.Connection, user_id: str, name: str, email: str | None) -> None:
    conn.execute(
        "insert into one_roster_user values (%s, %s, 'X', %s, null, 'active', now(), now())",
        [user_id, name, email],
    )


@pytest.fixture
def load_events(people: psycopg.Connection, tmp_path: Path) -> Load:
    """Write lines of JSON and load them."""
    files = iter(range(1000))

    def run(*values: Any, **options: Any) -> Report:
        path = written(tmp_path / f"{next(files)}.jsonl", *values)
        return load("caliper", path, connection=people, **options)

    return run


# -- what events become ----------------------------------------------------------------------------


SESSION = urn("session")
ITEM, TEST = "https://math.example/items/1", "https://math.example/tests/1"
ATTEMPT = f"{ITEM}/attempts/q1"
LESSON = {
    "id": "https://math.example/lessons/1",
    "type": "AssignableDigitalResource",
    "name": "Lesson",
    "mediaType": "curriculum/lesson",
    "isPartOf": {
        "id": "https://math.example/units/1",
        "type": "DigitalResource",
        "mediaType": "curriculum/unit",
    },
}
DAY = [
    session_event(
        "in", "LoggedIn", "2026-01-05T10:00:00Z", {"id": SESSION, "type": "Session", "user": user()}
    ),
    question("q1", 1, "2026-01-05T10:01:00Z", session=SESSION),
    grade("g1", ATTEMPT, 0, "2026-01-05T10:01:01Z", session={"id": SESSION, "type": "Session"}),
    grade("g2", ATTEMPT, 1, "2026-01-05T10:01:02Z", session=SESSION),
    activity("a1", "2026-01-05T10:05:00Z", 12.5, session=SESSION),
    activity("a2", "2026-01-06T08:00:00Z", -5),
    event("nav", "NavigationEvent", "NavigatedTo", "2026-01-05T10:06:00Z", object=LESSON, session=SESSION),
    event(
        "spent",
        "TimeSpentEvent",
        "SpentTime",
        "2026-01-05T10:10:00Z",
        profile="TimebackProfile",
        object={"id": "https://math.example/a", "type": "TimebackActivityContext", "app": {"name": "Math"}},
        generated={
            "id": urn("spent/metrics"),
            "type": "TimebackTimeSpentMetricsCollection",
            "items": [{"type": "active", "value": 300}],
        },
        session=SESSION,
    ),
    session_event("out", "LoggedOut", "2026-01-05T10:20:00Z", SESSION),
    event("odd", "WobbleEvent", "Wobbled", "2026-01-05T10:07:00Z", object="https://math.example/wobble"),
]
EXPECTED = {
    "lti_application": {(MATH, "Math")},
    "caliper_session": {(SESSION, ADA, MATH, at("10:00"), at("10:20"))},
    "caliper_attempt": {(ATTEMPT, ADA, ITEM, 1, at("10:00"), at("10:01"), "PT30S")},
    "caliper_score": {
        (urn("g1/score"), ATTEMPT, Decimal(0), Decimal(1), at("10:01:01")),
        (urn("g2/score"), ATTEMPT, Decimal(1), Decimal(1), at("10:01:02")),
    },
    "caliper_event": {
        (urn("in"), "SessionEvent", "LoggedIn", ADA, APP, None, SESSION, at("10:00")),
        (urn("q1"), "AssessmentItemEvent", "Completed", ADA, ITEM, ATTEMPT, SESSION, at("10:01")),
        (urn("g1"), "GradeEvent", "Graded", APP, ATTEMPT, urn("g1/score"), SESSION, at("10:01:01")),
        (urn("g2"), "GradeEvent", "Graded", APP, ATTEMPT, urn("g2/score"), SESSION, at("10:01:02")),
        *(
            (urn(name), "ActivityEvent", "Completed", ADA, f"{HOST}/courses/component-resources/cr-1", *rest)
            for name, *rest in (
                ("a1", urn("a1/metrics"), SESSION, at("10:05")),
                ("a2", urn("a2/metrics"), None, datetime(2026, 1, 6, 8, tzinfo=UTC)),
            )
        ),
        (urn("nav"), "NavigationEvent", "NavigatedTo", ADA, LESSON["id"], None, SESSION, at("10:06")),
        (
            *(urn("spent"), "TimeSpentEvent", "SpentTime", ADA, "https://math.example/a"),
            *(urn("spent/metrics"), SESSION, at("10:10")),
        ),
        (urn("out"), "SessionEvent", "LoggedOut", ADA, APP, None, SESSION, at("10:20")),
        (urn("odd"), "WobbleEvent", "Wobbled", ADA, "https://math.example/wobble", None, None, at("10:07")),
    },
    "caliper_assessment": {(TEST, "Test")},
    "caliper_assessment_item": {(ITEM, "Question 1", "quiz")},
    "caliper_assignable_digital_resource": {
        ("https://math.example/lessons/1", "Lesson", "curriculum/lesson"),
        ("https://math.example/units/1", None, "curriculum/unit"),
    },
    "caliper_resource_relation": {
        (ITEM, TEST, "isPartOf", None),
        ("https://math.example/lessons/1", "https://math.example/units/1", "isPartOf", None),
    },
    "tb_xp_ledger": {
        (ADA, MATH, urn("a1"), Decimal("12.5"), at("10:05"), at("10:05")),
        (ADA, MATH, urn("a2"), Decimal(-5), *[datetime(2026, 1, 6, 8, tzinfo=UTC)] * 2),
    },
}


def test_a_day(people: psycopg.Connection, load_events: Load) -> None:
    report = load_events(envelope(*DAY))
    assert everything(people) == EXPECTED
    assert report.what == "Caliper: 10 events"
    assert [note for note in report.notes if "Questions" in note] == [
        "Left out: events with correctQuestions, which count many questions or units at once (2).",
        "Left out: events with totalQuestions, which count many questions or units at once (2).",
    ]
    before = contents(people)
    again = load_events(*DAY)
    assert again.changes == 0
    assert contents(people) == before


FORMS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "envelope": lambda events: json.dumps(envelope(*events)),
    "pretty envelope": lambda events: json.dumps(envelope(*events), indent=2),
    "data before the sensor": lambda events: json.dumps(dict(reversed(envelope(*events).items())), indent=1),
    "lines of envelopes": lambda events: "".join(json.dumps(envelope(e)) + "\n" for e in events),
    "lines of events": lambda events: "\n".join(map(json.dumps, events)),
    "array of events": lambda events: json.dumps(events, indent=1),
    "array of envelopes": lambda events: json.dumps([envelope(*events[:3]), envelope(*events[3:])]),
    "pages": lambda events: json.dumps(page(*(stored(n, e) for n, e in enumerate(events)))),
    "stored events": lambda events: "\n".join(json.dumps(stored(n, e)) for n, e in enumerate(events)),
    "documents one after the other": lambda events: "\n".join(json.dumps(e, indent=1) for e in events),
}


@pytest.mark.parametrize("packed", ["plain", "gzip", "bom", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_forms(people: psycopg.Connection, tmp_path: Path, form: str, packed: str) -> None:
    text = FORMS[form](DAY)
    data = {
        "plain": text.encode(),
        "gzip": gzip.compress(text.encode()),
        "bom": text.encode("utf-8-sig"),
        "utf-16": text.encode("utf-16"),
    }[packed]
    (tmp_path / "2026/01").mkdir(parents=True)
    (tmp_path / f"2026/01/events.json{'.gz' if packed == 'gzip' else ''}").write_bytes(data)
    (tmp_path / "2026/readme.txt").write_text("no events")
    load("caliper", tmp_path, connection=people)
    assert everything(people) == EXPECTED


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_order_in_any_number_of_loads(people: psycopg.Connection, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    events = DAY + chance.sample(DAY, chance.randrange(4))
    chance.shuffle(events)
    cuts = sorted(chance.randrange(len(events) + 1) for _ in range(chance.randrange(4)))
    with people.transaction(force_rollback=True):
        for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
            if start == end:
                continue
            name = chance.choice(list(FORMS))
            path = tmp_path / "events.json"
            path.write_text(FORMS[name](events[start:end]))
            load("caliper", path, connection=people)
        assert everything(people) == EXPECTED


# -- what real senders send ------------------------------------------------------------------------


def xp(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute("select user_id::text, value, date_generated from tb_xp_ledger order by 3").fetchall()


@pytest.mark.parametrize(
    "actor",
    [
        user(),
        user()["id"],
        user(id=f"https://api.alpha-1edtech.com/ims/oneroster/rostering/v1p2/users/{ADA}/"),
        user(id=f"https://staging.example:8443/api/students/{ADA.upper()}?x=1#y", email=None),
        user(id=f"urn:uuid:{ADA}"),
        user(id=ADA),
        "mailto:Ada@School.example",
        {"id": "mailto:ada%40school.example", "type": "Person"},
        {"type": "TimebackUser", "email": " ADA@school.example "},
        user(id="https://sso.example/users/4711"),
        "ada@school.example",
        {"@id": f"{HOST}/users/{ADA}", "@type": "http://purl.imsglobal.org/caliper/Person"},
        {
            "id": "https://lms.example/people/1",
            "type": "Person",
            "otherIdentifiers": [
                {"type": "SystemIdentifier", "identifierType": "OneRosterSourcedId", "identifier": ADA}
            ],
        },
    ],
)
def test_actors(people: psycopg.Connection, load_events: Load, actor: Any) -> None:
    load_events(activity("a", "2026-01-05T10:00:00Z", 1, actor=actor))
    assert xp(people) == [(ADA, 1, at("10:00"))]
    assert people.execute("select actor_id from caliper_event").fetchall() == [(ADA,)]


def test_a_user_of_a_roster_with_other_ids(people: psycopg.Connection, load_events: Load) -> None:
    """A sourcedId that is no UUID means the row that the roster's load made of it, with the same source."""
    namespace = uuid.uuid5(uuid.NAMESPACE_DNS, "timeback-analytics")
    plain = str(uuid.uuid5(namespace, "oneroster/user/4711"))
    of_north = str(uuid.uuid5(namespace, "oneroster/@North/user/4711"))
    for user_id in (plain, of_north):
        add_user(people, user_id, "N", None)
    actor = {"id": f"{HOST}/users/4711", "type": "TimebackUser", "email": "nobody@x.example"}
    load_events(activity("a", "2026-01-05T10:00:00Z", 1, actor=actor))
    assert xp(people) == [(plain, 1, at("10:00"))]
    load_events(activity("b", "2026-01-05T11:00:00Z", 1, actor=actor), source="North")
    assert xp(people) == [(plain, 1, at("10:00")), (of_north, 1, at("11:00"))]


@pytest.mark.parametrize(
    ("written_time", "note"),
    [
        ("2026-01-05T10:00:00.000Z", False),
        ("2026-01-05T11:00:00+01:00", False),
        ("2026-01-05T05:00:00-0500", False),
        ("2026-01-05T10:00:00", True),
        ("2026-01-05 10:00", True),
        ("2026-01-05T10:00:00.000000000Z", False),
        ("2026-01-05t10:00:00z", False),
        (1767607200000, False),
        (1767607200, False),
        ("1767607200000", False),
    ],
)
def test_times(people: psycopg.Connection, load_events: Load, written_time: Any, note: bool) -> None:
    report = load_events(activity("a", written_time, 1))
    assert xp(people) == [(ADA, 1, at("10:00"))]
    assert any("zone" in line for line in report.notes) == note


@pytest.mark.parametrize(
    ("value", "stored_value"), [("12", 12), (" 1.50 ", "1.50"), (-5, -5), ("1e2", 100), (0, 0)]
)
def test_numbers(people: psycopg.Connection, load_events: Load, value: Any, stored_value: Any) -> None:
    load_events(activity("a", "2026-01-05T10:00:00Z", value, attempt="2"))
    assert xp(people) == [(ADA, Decimal(stored_value), at("10:00"))]


@pytest.mark.parametrize("value", ["ten", "", None, True, "1e999999", "NaN", {"a": 1}, 10**400])
def test_no_numbers(people: psycopg.Connection, load_events: Load, value: Any) -> None:
    report = load_events(activity("a", "2026-01-05T10:00:00Z", value))
    assert xp(people) == []
    assert "Left out: XP that is no number (1)." in report.notes
    assert len(rows(people, "caliper_event")) == 1


def without(thing: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name not in names}


OBJECT = activity("x", "", 1)["object"]


@pytest.mark.parametrize(
    ("changed", "apps"),
    [
        ({}, {(MATH, "Math")}),
        ({"object": without(OBJECT, "app")}, {(MATH, "Math")}),
        ({"object": without(OBJECT, "app"), "edApp": APP}, {(MATH, APP)}),
        ({"object": {**OBJECT, "app": {"name": "math"}}, "edApp": None}, {("name", "math")}),
        ({"object": {**OBJECT, "app": "Math"}, "edApp": None}, {("name", "Math")}),
        ({"object": without(OBJECT, "app"), "edApp": None}, {("sensor", "https://math.example/sensor")}),
    ],
)
def test_applications(
    people: psycopg.Connection, load_events: Load, changed: dict[str, Any], apps: set[tuple[str, str]]
) -> None:
    load_events(envelope(activity("a", "2026-01-05T10:00:00Z", 1, **changed)))
    found = rows(people, "lti_application")
    assert {name for _, name in found} == {name for _, name in apps}
    assert {app_id for app_id, _ in found} == {app_id for app_id, _ in apps} or not any(
        app_id == MATH for app_id, _ in apps
    )
    assert people.execute("select application_id::text from tb_xp_ledger").fetchall() == [
        (app_id,) for app_id, _ in found
    ]


def test_application_by_id_then_by_name(people: psycopg.Connection, load_events: Load) -> None:
    by_id, by_name = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"
    for app_id, name in ((by_id, "One"), (by_name, "Two")):
        people.execute("insert into lti_application values (%s, %s, null)", [app_id, name])
    for name, app in (
        ("a", {"id": f"urn:uuid:{by_id}", "name": "Two"}),
        ("b", {"id": f"https://apps.example/{by_id.upper()}"}),
        ("c", {"id": "https://two.example", "name": " tWO "}),
        ("d", {"name": "two"}),
    ):
        load_events(activity(name, "2026-01-05T10:00:00Z", 1, edApp=None, object={**OBJECT, "app": app}))
    found = people.execute("select source_event_id, application_id::text from tb_xp_ledger").fetchall()
    assert dict(found) == {urn("a"): by_id, urn("b"): by_id, urn("c"): by_name, urn("d"): by_name}
    assert rows(people, "lti_application") == {(by_id, "One"), (by_name, "Two")}


def test_an_application_gets_its_name_later(people: psycopg.Connection, load_events: Load) -> None:
    load_events(activity("a", "2026-01-05T10:00:00Z", 1, edApp=APP, object=without(OBJECT, "app")))
    assert rows(people, "lti_application") == {(MATH, APP)}
    load_events(activity("b", "2026-01-05T10:00:00Z", 1))
    assert rows(people, "lti_application") == {(MATH, "Math")}
    report = load_events(activity("a", "2026-01-05T10:00:00Z", 1, edApp=APP, object=without(OBJECT, "app")))
    assert report.changes == 0


def test_prefixes_of_a_context(people: psycopg.Connection, load_events: Load) -> None:
    context = [
        "http://purl.imsglobal.org/ctx/caliper/v1p1",
        {"caliper": "http://purl.imsglobal.org/caliper/", "tb": f"{HOST}/", "id": "@id"},
        {"item": {"@id": "https://math.example/items/"}},
    ]
    load_events(
        event(
            "q",
            "caliper:AssessmentItemEvent",
            "http://purl.imsglobal.org/vocab/caliper/action#Completed",
            "2026-01-05T10:00:00Z",
            **{
                "@context": context,
                "actor": f"tb:users/{ADA}",
                "caliper:object": {"@id": "item:1", "@type": "caliper:AssessmentItem", "name": "One"},
                "generated": {"id": "item:1/attempts/1", "type": ["Thing", "caliper:Attempt"][1:]},
            },
        )
    )
    assert rows(people, "caliper_event") == {
        (
            *(urn("q"), "AssessmentItemEvent", "Completed", ADA, ITEM, f"{ITEM}/attempts/1", None),
            at("10:00"),
        )
    }
    assert rows(people, "caliper_assessment_item") == {(ITEM, "One", None)}
    assert rows(people, "caliper_attempt") == {
        (f"{ITEM}/attempts/1", ADA, ITEM, None, None, at("10:00"), None)
    }


def test_an_event_without_an_id_is_the_same_each_time(people: psycopg.Connection, load_events: Load) -> None:
    one = without(activity("a", "2026-01-05T10:00:00Z", 1), "id")
    load_events(one, envelope(dict(reversed(one.items()))))
    load_events(one)
    assert len(rows(people, "caliper_event")) == 1
    assert len(xp(people)) == 1


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
    assert "scores that are no number were left empty: 1." in report.notes
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
    """urn:tag: is no session: an hour without an event of the person in the application ends one."""
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


# -- what cannot be placed, and what cannot be read ------------------------------------------------


def test_people_who_come_later(people: psycopg.Connection, load_events: Load) -> None:
    stranger = "c0000000-0000-4000-8000-00000000000c"
    actor = user(stranger)
    answer = question("q1", 1, "2026-01-05T10:01:00Z", actor=actor, session=SESSION)
    answer["generated"]["attempt"]["assignee"] = actor
    events = [answer, activity("a", "2026-01-05T10:05:00Z", 3, actor=actor, session=SESSION)]
    notes = load_events(*events).notes
    assert notes[0].startswith("1 people of 2 events are not in one_roster_user")
    assert {
        "Left out: 1 attempts of people who are not known.",
        "Left out: 1 XP entries of people who are not known.",
    } <= set(notes)
    assert (rows(people, "caliper_attempt"), xp(people)) == (set(), [])
    assert rows(people, "caliper_session") == {(SESSION, None, MATH, at("10:01"), None)}
    assert {row[3] for row in rows(people, "caliper_event")} == {actor["id"]}
    add_user(people, stranger, "Cy", None)
    load_events(*events)
    assert {row[1] for row in rows(people, "caliper_attempt")} == {stranger}
    assert xp(people) == [(stranger, 3, at("10:05"))]
    assert {row[1] for row in rows(people, "caliper_session")} == {stranger}
    assert {row[3] for row in rows(people, "caliper_event")} == {stranger}


def test_an_event_that_comes_with_other_contents(people: psycopg.Connection, load_events: Load) -> None:
    first = activity("a", "2026-01-05T10:00:00Z", 1)
    second = activity("a", "2026-01-05T11:00:00Z", 1)
    early = envelope(first, sendTime="2026-01-05T12:00:00Z")
    late = envelope(second, sendTime="2026-01-05T13:00:00Z")
    for order in ([early, late], [late, early]):
        with people.transaction(force_rollback=True):
            report = load_events(*order)
            assert "1 events came with different contents; what was sent first counts." in report.notes
            assert {row[7] for row in rows(people, "caliper_event")} == {at("10:00")}


BAD = {
    "not JSON": ("{", "this is not JSON"),
    "no object": ("5", "this is no Caliper event"),
    "another thing": ('{"users": [{"sourcedId": "x"}]}', "this is no Caliper event"),
    "no time": (json.dumps(without(DAY[4], "eventTime")), "the event has no eventTime"),
    "a wrong time": (json.dumps({**DAY[4], "eventTime": "yesterday"}), "this is no time"),
    "a time beyond all years": (json.dumps({**DAY[4], "eventTime": 10**30}), "this is no time"),
    "no action": (json.dumps(without(DAY[4], "action")), "the event has no action"),
    "a NUL": (json.dumps({**DAY[4], "id": "urn:\0"}), "NUL"),
    "half a pair": (json.dumps({**DAY[4], "object": "urn:\ud800"}), "surrogate"),
    "too deep": ("[" * 100_000, "nested too deep"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_record_keeps_everything_out_or_is_skipped(
    people: psycopg.Connection, tmp_path: Path, bad: str
) -> None:
    text, reason = BAD[bad]
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(DAY[0]) + "\n" + text + "\n" + json.dumps(DAY[1]) + "\n", encoding="utf-8")
    error = refused(people, path, "caliper")
    assert error.total == 1
    assert error.problems[0].line == 2
    assert reason in error.problems[0].reason
    report = load(
        "caliper", path, connection=people, skip_bad=True, skip_limit=50, problems_file=tmp_path / "bad.csv"
    )
    assert report.skipped == 1
    assert len(rows(people, "caliper_event")) == 2
    assert ",2," in (tmp_path / "bad.csv").read_text()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.json", b" \n", "the file is empty"),
        ("cut.json", json.dumps(envelope(*DAY), indent=1).encode()[:-200], "this is not JSON"),
        ("cut.json.gz", gzip.compress(json.dumps(DAY).encode())[:-20], "the gzip file is damaged"),
        (
            "latin.json",
            json.dumps(DAY, ensure_ascii=False, indent=1).encode().replace(b"Lesson", b"Le\xe9"),
            "JSON",
        ),
        ("pdf.json", b"%PDF-1.7 \xff\xfe", "this is not JSON"),
        ("zip.zip", b"PK\x05\x06" + b"\0" * 18, "this is a zip"),
        ("no.json", None, "there is no such file"),
    ],
)
def test_files_that_cannot_be_read(
    people: psycopg.Connection, tmp_path: Path, name: str, data: bytes | None, reason: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    error = refused(people, tmp_path / name, "caliper")
    assert reason in str(error)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([ADA, APP]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [at, *(place for key, member in members for place in _places(member, (*at, key)))]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_comes_is_loaded_or_told(
    people: psycopg.Connection, tmp_path: Path, data: st.DataObject
) -> None:
    """A day of events with anything in place of one of their values, or two."""
    value: Any = envelope(*DAY)
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(_places(value)[1:]))
        value = json.loads(json.dumps(value))
        inner = value
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = data.draw(_JSON)
    path = written(tmp_path / "events.jsonl", value)
    with people.transaction(force_rollback=True):
        before = contents(people)
        try:
            load("caliper", path, connection=people)
        except LoadError as error:
            assert contents(people) == before
            assert all(problem.file == "events.jsonl" and problem.line == 1 for problem in error.problems)
        else:
            assert load("caliper", path, connection=people).changes == 0


def test_counts_are_told(load_events: Load) -> None:
    report = load_events(*DAY, *DAY[:3])
    assert "3 events came again; each counts once." in report.notes
    assert counts(report)["caliper_event"] == (10, 0, 0, 0, 0)
