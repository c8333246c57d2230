"""OneRoster over REST: saved answers become what the same roster in CSV does, and the curriculum."""

import json
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from load_helpers import contents, refused
from rest_answers import answers, as_page, made, ref
from roster_bundles import small_bundle
from roster_bundles import written as written_bundle

from timeback_analytics.load import LoadError, Report, load

Load = Callable[..., Report]


@pytest.fixture
def load_answers(conn: psycopg.Connection, tmp_path: Path) -> Load:
    """Save each collection as a file and load the folder."""
    folders = iter(range(100))

    def run(collections: dict[str, list[dict[str, Any]]], **options: Any) -> Report:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        for name, records in collections.items():
            (folder / f"{name}.json").write_text(as_page(name, records), encoding="utf-8")
        return load("oneroster-rest", folder, connection=conn, **options)

    return run


def rows(conn: psycopg.Connection, query: str) -> set[tuple[Any, ...]]:
    return set(conn.execute(query).fetchall())


def test_a_district(conn: psycopg.Connection, load_answers: Load) -> None:
    report = load_answers(answers())
    expected: dict[str, set[tuple[Any, ...]]] = {
        "select id::text, name, type, identifier, parent_id::text from one_roster_organization": {
            (made("org", "d1"), "District", "district", None, None),
            (made("org", "s1"), "School", "school", "77", made("org", "d1")),
        },
        "select id::text, given_name, email::text, status from one_roster_user": {
            (made("user", "u1"), "Ada", "ada@school.example", "active"),
            (made("user", "u2"), "Anne", None, "active"),
        },
        "select user_id::text, org_id::text, role, role_type, begin_date::text, end_date::text"
        " from one_roster_role": {
            (made("user", "u1"), made("org", "s1"), "student", "primary", "2025-08-01", None),
            (made("user", "u2"), made("org", "s1"), "parent", "primary", None, None),
            (made("user", "u2"), made("org", "d1"), "aide", "secondary", None, "2026-06-30"),
        },
        "select source_user_id::text, agent_user_id::text, relationship_type from one_roster_user_agent": {
            (made("user", "u1"), made("user", "u2"), "parent")
        },
        "select id::text, title, course_id::text, school_id::text from one_roster_class": {
            (made("class", "k1"), "Algebra 1", made("course", "c1"), made("org", "s1"))
        },
        "select right(placement_grade_id::text, 1) from one_roster_class_grade": {("1",), ("2",)},
        "select user_id::text, class_id::text, role, begin_date::text from one_roster_enrollment": {
            (made("user", "u1"), made("class", "k1"), "student", "2025-08-01")
        },
        "select id, name, media_type from caliper_assignable_digital_resource": {
            (made("course", "c1"), "Algebra", "curriculum/course"),
            (made("component", "m1"), "Unit 1", "curriculum/unit"),
            (made("component", "m2"), "Section", "curriculum/section"),
            (made("componentResource", "r1"), "Lesson 1", "curriculum/lesson"),
        },
        "select source_id, destination_id, relationship_type, item_order from caliper_resource_relation": {
            (made("component", "m1"), made("course", "c1"), "isPartOf", 1),
            (made("component", "m2"), made("component", "m1"), "isPartOf", 2),
            (made("componentResource", "r1"), made("component", "m1"), "isPartOf", 0),
        },
        "select student_id::text, assessment_line_item_id::text, score::text,"
        " score_date at time zone 'UTC', report_url from one_roster_assessment_result": {
            (
                *(made("user", "u1"), made("lineItem", "l1"), "87.5"),
                datetime(2026, 1, 4, 15, 30),
                "https://map.example/1.pdf",
            )
        },
    }
    for query, wanted in expected.items():
        assert rows(conn, query) == wanted, query
    assert "1 records of collections that have no table were ignored." in report.notes
    before = contents(conn)
    assert load_answers(answers()).changes == 0
    assert contents(conn) == before


def test_pages_in_any_order_and_other_wrappers(
    conn: psycopg.Connection, tmp_path: Path, load_answers: Load
) -> None:
    """Pages, single answers, lines, /schools and /students: all the same rows."""
    load_answers(answers())
    before = contents(conn)
    old_user = {**answers()["users"][0], "givenName": "Old", "dateLastModified": "2025-01-01T00:00:00Z"}
    pages = [
        {name: [record]}
        for name, records in answers().items()
        for record in records
        if name not in ("orgs", "users")
    ]
    pages += [{"schools": answers()["orgs"][1:]}, {"org": answers()["orgs"][0]}]
    pages += [{"students": answers()["users"][:1]}, {"user": answers()["users"][1]}, {"users": [old_user]}]
    for seed in range(3):
        random.Random(seed).shuffle(pages)
        path = tmp_path / f"pages{seed}.jsonl"
        path.write_text("\n".join(map(json.dumps, pages)))
        report = load("oneroster-rest", path, connection=conn)
        assert report.changes == 0
        assert "1 records came again; of each the newest counts." in report.notes
    assert contents(conn) == before


def test_bare_lists_go_by_the_name_of_their_file(conn: psycopg.Connection, tmp_path: Path) -> None:
    for name, records in answers().items():
        (tmp_path / f"{name}-page-1.json").write_text(json.dumps(records))
    load("oneroster-rest", tmp_path, connection=conn)
    assert conn.execute("select count(*) from one_roster_enrollment").fetchone() == (1,)
    assert conn.execute("select count(*) from caliper_resource_relation").fetchone() == (3,)


@pytest.mark.parametrize("source", ["", "North"])
def test_the_same_ids_as_out_of_csv(
    conn: psycopg.Connection, tmp_path: Path, load_answers: Load, source: str
) -> None:
    """What a CSV bundle brought, the answers of the same system find again: no row is there twice."""
    if source:
        pytest.importorskip(
            "timeback_analytics.load.formats._oneroster_references", reason="CSV without --source"
        )
    bundle = small_bundle("1.1")
    options = {"source": source} if source else {}
    load("oneroster", written_bundle(tmp_path / "csv", "1.1", bundle), connection=conn, **options)
    kinds = {"organization": "one_roster_organization", "user": "one_roster_user", "role": "one_roster_role"}
    before = {kind: rows(conn, f"select id from {table}") for kind, table in kinds.items()}
    orgs = [
        {**org, "parent": ref(org["parentSourcedId"]) if org.get("parentSourcedId") else None}
        for org in bundle["orgs"]
    ]
    users = [
        {
            **{key: value for key, value in one.items() if key != "agentSourcedIds"},
            "orgs": [ref(org) for org in one["orgSourcedIds"].split(",")],
            "agents": [ref(agent) for agent in (one.get("agentSourcedIds") or "").split(",") if agent],
        }
        for one in bundle["users"]
    ]
    load_answers({"orgs": orgs, "users": users}, **options)
    assert {kind: rows(conn, f"select id from {table}") for kind, table in kinds.items()} == before


def test_a_role_that_is_said_no_more_ends(conn: psycopg.Connection, load_answers: Load) -> None:
    load_answers(answers())
    later = answers()["users"][1]
    later |= {"roles": later["roles"][:1], "dateLastModified": "2026-03-01T00:00:00Z"}
    later["roles"][0] = {**later["roles"][0], "role": "guardian"}
    load_answers({"users": [later]})
    query = (
        "select role, status, end_date::text from one_roster_role where user_id = '"
        + made("user", "u2")
        + "'"
    )
    # the aide's end was known already
    assert rows(conn, query) == {
        ("parent", "inactive", "2026-03-01"),
        ("guardian", "active", None),
        ("aide", "active", "2026-06-30"),
    }
    load_answers({"users": [answers()["users"][1] | {"dateLastModified": "2026-04-01T00:00:00Z"}]})
    assert rows(conn, query) == {
        ("parent", "active", None),
        ("guardian", "inactive", "2026-04-01"),
        ("aide", "active", "2026-06-30"),
    }


def test_components_move_and_go(conn: psycopg.Connection, load_answers: Load) -> None:
    load_answers(answers())
    units = answers()["courseComponents"]
    moved = {**units[1], "parent": None, "sortOrder": 7}
    gone = {**answers()["componentResources"][0], "status": "tobedeleted"}
    load_answers({"courseComponents": [moved], "componentResources": [gone]})
    assert rows(conn, "select source_id, destination_id, item_order from caliper_resource_relation") == {
        (made("component", "m1"), made("course", "c1"), 1),
        (made("component", "m2"), made("course", "c1"), 7),
    }
    assert rows(conn, "select id, media_type from caliper_assignable_digital_resource") == {
        (made("course", "c1"), "curriculum/course"),
        (made("component", "m1"), "curriculum/unit"),
        (made("component", "m2"), "curriculum/unit"),
    }


def test_an_enrollment_without_its_school(conn: psycopg.Connection, load_answers: Load) -> None:
    everything = answers()
    enrollments = {"enrollments": everything.pop("enrollments")}
    load_answers(everything)
    load_answers(enrollments)
    assert conn.execute("select count(*) from one_roster_enrollment").fetchone() == (1,)


@pytest.mark.parametrize(
    ("name", "number", "changed", "column", "reason"),
    [
        (
            "users",
            1,
            {"roles": [{"role": "wizard", "org": ref("s1"), "roleType": "primary"}]},
            "$.users[1].role",
            "stand",
        ),
        ("enrollments", 0, {"user": ref("u9")}, "$.enrollments[0].user", "there is no such user in users"),
        ("orgs", 0, {"type": None}, "$.orgs[0].type", "empty"),
        ("users", 0, {"sourcedId": ""}, "$.users[0]", "it has no sourcedId"),
        ("users", 0, {"email": "a\0@b"}, "$.users[0]", "NUL"),
        ("users", 0, {"dateLastModified": "soon"}, "$.users[0].dateLastModified", "time"),
        (
            "assessmentResults",
            0,
            {"student": ref("u9")},
            "$.assessmentResults[0].student",
            "there is no such user",
        ),
        ("assessmentResults", 0, {"score": "A"}, "$.assessmentResults[0].score", "not a number"),
        ("assessmentResults", 0, {"scoreDate": "soon"}, "$.assessmentResults[0].scoreDate", "not a time"),
    ],
)
def test_problems_are_told_of_the_json(
    conn: psycopg.Connection,
    tmp_path: Path,
    name: str,
    number: int,
    changed: dict[str, Any],
    column: str,
    reason: str,
) -> None:
    collections = answers()
    collections[name][number] |= changed
    for file, records in collections.items():
        (tmp_path / f"{file}.json").write_text(as_page(file, records))
    error = refused(conn, tmp_path, "oneroster-rest")
    told = [problem for problem in error.problems if problem.column == column]
    assert told, error
    assert told[0].file == f"{name}.json"
    assert reason in told[0].reason
    assert ".csv" not in str(error)


def test_notes_are_told_of_the_json(conn: psycopg.Connection, load_answers: Load) -> None:
    changed = answers()
    changed["users"][1]["email"] = "ADA@school.example"
    notes = " ".join(load_answers(changed).notes)
    assert "users.json, $.users[1]" in notes
    assert ".csv" not in notes
    assert rows(conn, "select email::text from one_roster_user") == {("ada@school.example",), (None,)}


def test_what_is_no_collection(conn: psycopg.Connection, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"things": [{"sourcedId": "1"}]}')
    with pytest.raises(LoadError, match="nothing says of which collection this is"):
        load("oneroster-rest", tmp_path, connection=conn)


REAL = Path(__file__).parent / "data" / "oneroster_rest"


def test_a_real_set(conn: psycopg.Connection, tmp_path: Path) -> None:
    """A cut of a public set of version 1.1: every record is a row, with the school it names.

    From 1EdTech/digital-credentials-public-validator, commit 8aa4200a, Apache-2.0.
    """
    given = {path.stem: json.loads(path.read_text())[path.stem] for path in REAL.glob("*.json")}
    load("oneroster-rest", REAL, connection=conn)
    counted = {
        "orgs": "one_roster_organization",
        "users": "one_roster_user",
        "courses": "one_roster_course",
        "classes": "one_roster_class",
    }
    for name, table in counted.items():
        assert rows(conn, f"select id::text from {table}") == {(one["sourcedId"],) for one in given[name]}
    assert rows(conn, "select user_id::text, org_id::text, role from one_roster_role") == {
        (user["sourcedId"], org["sourcedId"], user["role"]) for user in given["users"] for org in user["orgs"]
    }
