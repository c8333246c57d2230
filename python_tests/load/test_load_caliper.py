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
    ATTEMPT,
    DAY,
    HOST,
    ITEM,
    LESSON,
    SESSION,
    TEST,
    activity,
    envelope,
    event,
    page,
    stored,
    urn,
    user,
)
from caliper_tables import MATH, OBJECT, add_user, at, everything, rows, without, xp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_helpers import Load, contents

from timeback_analytics.load import load

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
    """A sourcedId that is not a UUID means the row that the roster's load made of it."""
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
    assert "Left out: XP that is not a number (1)." in report.notes
    assert len(rows(people, "caliper_event")) == 1


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
