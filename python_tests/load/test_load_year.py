"""A district's year: a bulk export in August, then deltas; what the datasets show is known by hand."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from roster_bundles import Bundle, row_id, written

from timeback_analytics.load import Report, load

NAMES = {"ada": "Ada", "ben": "Ben", "zoe": "Zoe"}


def user(version: str, who: str, at: str, school: str, status: str = "active") -> dict[str, str]:
    record = {
        "sourcedId": who,
        "status": status,
        "dateLastModified": at,
        "enabledUser": "true",
        "username": who,
        "givenName": NAMES[who],
        "familyName": "Doe",
    }
    return record | ({"role": "student", "orgSourcedIds": school} if version == "1.1" else {})


def role(who: str, at: str, school: str) -> dict[str, str]:
    return {
        "sourcedId": f"{who}-{school}",
        "status": "active",
        "dateLastModified": at,
        "userSourcedId": who,
        "roleType": "primary",
        "role": "student",
        "orgSourcedId": school,
    }


def enrollment(number: int, who: str, at: str, class_id: str, begin: str, end: str = "") -> dict[str, str]:
    return {
        "sourcedId": f"e{number}",
        "status": "active",
        "dateLastModified": at,
        "userSourcedId": who,
        "classSourcedId": class_id,
        "schoolSourcedId": class_id.replace("k", "s"),
        "role": "student",
        "beginDate": begin,
        "endDate": end,
    }


def gone(sourced_id: str, at: str) -> dict[str, str]:
    """A record that says nothing but that it is gone."""
    return {"sourcedId": sourced_id, "status": "tobedeleted", "dateLastModified": at}


def august(version: str) -> Bundle:
    at = "2025-08-01T00:00:00Z"
    common = {"status": "active", "dateLastModified": at}
    bundle: Bundle = {
        "orgs": [
            common | {"sourcedId": "d1", "name": "District", "type": "district"},
            *(
                common | {"sourcedId": school, "name": school, "type": "school", "parentSourcedId": "d1"}
                for school in ("s1", "s2")
            ),
        ],
        "courses": [common | {"sourcedId": "c1", "title": "Algebra", "orgSourcedId": "d1"}],
        "users": [user(version, "ada", at, "s1"), user(version, "ben", at, "s1")],
        "classes": [
            common
            | {
                "sourcedId": f"k{number}",
                "title": f"Class {number}",
                "courseSourcedId": "c1",
                "classType": "scheduled",
                "schoolSourcedId": f"s{number}",
            }
            for number in (1, 2)
        ],
        "enrollments": [
            enrollment(1, "ada", at, "k1", "2025-08-15"),
            enrollment(2, "ben", at, "k1", "2025-08-15"),
        ],
    }
    return bundle | ({"roles": [role("ada", at, "s1"), role("ben", at, "s1")]} if version == "1.2" else {})


def september(version: str) -> Bundle:
    """Zoe comes."""
    at = "2025-09-10T00:00:00Z"
    bundle = {
        "users": [user(version, "zoe", at, "s1")],
        "enrollments": [enrollment(3, "zoe", at, "k1", "2025-09-10")],
    }
    return bundle | ({"roles": [role("zoe", at, "s1")]} if version == "1.2" else {})


def november(version: str) -> Bundle:
    """Ada moves to the other school."""
    at = "2025-11-03T00:00:00Z"
    bundle = {
        "enrollments": [
            enrollment(1, "ada", at, "k1", "2025-08-15", "2025-11-03"),
            enrollment(4, "ada", at, "k2", "2025-11-03"),
        ]
    }
    if version == "1.1":
        return bundle | {"users": [user(version, "ada", at, "s2")]}
    return bundle | {"roles": [gone("ada-s1", at), role("ada", at, "s2")]}


def january(version: str) -> Bundle:
    """Ben leaves; the district says so of his id alone."""
    at = "2026-01-12T00:00:00Z"
    bundle = {"users": [gone("ben", at)], "enrollments": [gone("e2", at)]}
    return bundle | ({"roles": [gone("ben-s1", at)]} if version == "1.2" else {})


def april(version: str) -> Bundle:
    """Ben returns."""
    at = "2026-04-07T00:00:00Z"
    bundle = {
        "users": [user(version, "ben", at, "s1")],
        "enrollments": [enrollment(2, "ben", at, "k1", "2026-04-07")],
    }
    return bundle | ({"roles": [role("ben", at, "s1")]} if version == "1.2" else {})


def june(version: str) -> Bundle:
    """The classes are over: more than any --max-loss, but every record says so itself."""
    at = "2026-06-20T00:00:00Z"
    return {"enrollments": [gone(f"e{number}", at) for number in (1, 2, 3, 4)]}


# month -> students of the first and of the second school, and enrollments: student, class, end, status
E1 = ("Ada", "Class 1", "2025-11-03")
E2, E3, E4 = ("Ben", "Class 1", None), ("Zoe", "Class 1", None), ("Ada", "Class 2", None)
ACTIVE, GONE = ("active",), ("tobedeleted",)
YEAR: list[tuple[Any, list[str], list[str], list[tuple[Any, ...]]]] = [
    (august, ["Ada", "Ben"], [], [("Ada", "Class 1", None, "active"), E2 + ACTIVE]),
    (
        september,
        ["Ada", "Ben", "Zoe"],
        [],
        [("Ada", "Class 1", None, "active"), E2 + ACTIVE, E3 + ACTIVE],
    ),
    (november, ["Ben", "Zoe"], ["Ada"], [E1 + ACTIVE, E4 + ACTIVE, E2 + ACTIVE, E3 + ACTIVE]),
    (january, ["Zoe"], ["Ada"], [E1 + ACTIVE, E4 + ACTIVE, E2 + GONE, E3 + ACTIVE]),
    (april, ["Ben", "Zoe"], ["Ada"], [E1 + ACTIVE, E4 + ACTIVE, E2 + ACTIVE, E3 + ACTIVE]),
    (june, ["Ben", "Zoe"], ["Ada"], [E1 + GONE, E4 + GONE, E2 + GONE, E3 + GONE]),
]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_year(catalog: psycopg.Connection, tmp_path: Path, version: str) -> None:
    def take(name: str, bundle: Bundle, mode: str) -> Report:
        return load("oneroster", written(tmp_path / name, version, bundle, mode=mode), connection=catalog)

    def students(school: str) -> list[str]:
        catalog.execute("select set_config('app.allowed_org_ids', %s, false)", [row_id("org", school)])
        return [
            name.split()[0] for (name,) in catalog.execute("select name from analytics.students order by 1")
        ]

    for month, first, second, enrollments in YEAR:
        mode = "bulk" if month is august else "delta"
        report = take(month.__name__, month(version), mode)
        assert report.changes
        assert students("s1") == first, month.__name__
        assert students("s2") == second, month.__name__
        found = catalog.execute(
            """select u.given_name, e.class_title, e.end_date::text, e.status
            from analytics.class_enrollments e join operational.one_roster_user u on u.id = e.student_id
            order by e.class_title, u.given_name"""
        ).fetchall()
        assert found == sorted(enrollments, key=lambda row: (row[1], row[0])), month.__name__
        # said once more, nothing changes
        assert (
            take(f"{month.__name__} again", month(version), "bulk" if month is august else "delta").changes
            == 0
        )
    # and a delta that comes late changes nothing either
    for month in (january, november, september):
        assert take(f"{month.__name__} late", month(version), "delta").changes == 0
    assert (students("s1"), students("s2")) == (["Ben", "Zoe"], ["Ada"])
