"""Caliper events that cannot be placed or read, and what is said of them."""

import gzip
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from caliper_events import (
    ADA,
    APP,
    DAY,
    SESSION,
    activity,
    envelope,
    question,
    user,
)
from caliper_tables import MATH, add_user, at, rows, without, xp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_helpers import Load, contents, counts, json_lines, places_in, refused

from timeback_analytics.load import LoadError, load

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
    "no object": ("5", "this is neither a Caliper event"),
    "another thing": ('{"users": [{"sourcedId": "x"}]}', "this is neither a Caliper event"),
    "no time": (json.dumps(without(DAY[4], "eventTime")), "the event has no eventTime"),
    "a wrong time": (json.dumps({**DAY[4], "eventTime": "yesterday"}), "this is not a time"),
    "a time beyond all years": (json.dumps({**DAY[4], "eventTime": 10**30}), "this is not a time"),
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


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_comes_is_loaded_or_told(
    people: psycopg.Connection, tmp_path: Path, data: st.DataObject
) -> None:
    """A day of events with anything in place of one of their values, or two."""
    value: Any = envelope(*DAY)
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(places_in(value)[1:]))
        value = json.loads(json.dumps(value))
        inner = value
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = data.draw(_JSON)
    path = json_lines(tmp_path / "events.jsonl", value)
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
