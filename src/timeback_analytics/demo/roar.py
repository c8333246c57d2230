"""ROAR documents: people, organizations, tasks, runs and trials, made up, in the documented shapes.

No openly licensed ROAR data exists. Values are such as the laboratory's public pages give: the stages
practice_response and test_response, correct 0 or 1, response times in milliseconds. Moments come in each
form that Firestore exports have. What breaks the documented shapes is in demo/edge_cases/roar.yml.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from timeback_analytics.demo.firestore import Document, firestore_id, iso, timestamp
from timeback_analytics.demo.ids import between, pick, share
from timeback_analytics.demo.roar_runs import (
    AUTUMN,
    TASKS,
    mode_of,
    run_documents,
    task_documents,
    variant_id,
)
from timeback_analytics.demo.rows import OperationalRows

_DISTRICTS = {"Lakeside Unified": "LUSD", "Prairie Valley": "PVSD"}
_SCHOOLS = {
    "Lakeside Unified": ("Lakeside Elementary", "Harbor Elementary"),
    "Prairie Valley": ("Prairie Elementary", "Valley Middle"),
}


def add_roar(rows: OperationalRows) -> None:
    """Add every document."""
    for number, (path, data) in enumerate(documents()):
        rows.add(
            "roar_document", path=path, data=data, update_time=AUTUMN + timedelta(days=60, seconds=number)
        )


def documents() -> Iterator[tuple[str, Document]]:
    """(path, fields) of each document."""
    yield from _organizations()
    yield from task_documents()
    for district, schools in _SCHOOLS.items():
        for school in schools:
            for number in range(12):
                yield from _student(district, school, number)
    yield from _adults()
    for number in range(12):
        yield from _guest(number)


def _organizations() -> Iterator[tuple[str, Document]]:
    for district, schools in _SCHOOLS.items():
        district_id = firestore_id("district", district)
        school_ids = [firestore_id("school", school) for school in schools]
        town = district.split()[0]
        yield (
            f"districts/{district_id}",
            {
                "name": district,
                "abbreviation": _DISTRICTS[district],
                "schools": school_ids,
                "address": {
                    "name": district,
                    "formattedAddress": f"1 Main Street, {town}, CA 94000, USA",
                    "googleMapsUrl": f"https://maps.example.org/?q={town}",
                    "googlePlacesId": firestore_id("place", district),
                    "addressComponents": [
                        {"long_name": town, "short_name": town, "types": ["locality", "political"]}
                    ],
                },
            },
        )
        for school, school_id in zip(schools, school_ids, strict=True):
            yield from _school(school, school_id, district_id)
    yield from _families_and_groups()


def _school(school: str, school_id: str, district_id: str) -> Iterator[tuple[str, Document]]:
    """A school with its classes."""
    class_ids = [firestore_id("class", school, number) for number in range(2)]
    yield (
        f"schools/{school_id}",
        {
            "name": school,
            "abbreviation": "".join(word[0] for word in school.split()),
            "districtId": district_id,
            "classes": class_ids,
        },
    )
    for number, class_id in enumerate(class_ids):
        yield (
            f"classes/{class_id}",
            {
                "name": f"Room {number + 1}",
                "schoolId": school_id,
                "districtId": district_id,
                "grade": str(number + 3),
                "schoolLevel": "middle" if "Middle" in school else "elementary",
                "subject": "reading",
                "tags": ["fall"] if number else ["fall", "pilot"],
                "demoData": False,
                "testData": False,
            },
        )


def _families_and_groups() -> Iterator[tuple[str, Document]]:
    for number in range(3):
        made = AUTUMN + timedelta(days=number)
        yield (
            f"families/{firestore_id('family', number)}",
            {
                "name": f"Family {number + 1}",
                "createdAt": iso(made),
                "lastUpdated": timestamp(made + timedelta(hours=5)),
                "testData": number == 2,
            },
        )
    yield (
        f"groups/{firestore_id('group', 'summer')}",
        {
            "name": "Summer school",
            "parentOrgId": firestore_id("district", "Lakeside Unified"),
            "parentOrgType": "district",
        },
    )
    yield (
        f"groups/{firestore_id('group', 'siblings')}",
        {
            "name": "Siblings",
            "familyId": firestore_id("family", 0),
            "parentOrgId": firestore_id("family", 0),
            "parentOrgType": "family",
        },
    )


def _membership(now: list[str], before: list[str], since: datetime) -> Document:
    dates = {org_id: {"from": iso(since), "to": None} for org_id in now}
    dates |= {org_id: {"from": iso(since), "to": iso(since + timedelta(days=90))} for org_id in before}
    return {"current": now, "all": [*now, *before], "dates": dates}


def _user(
    key: object, user_type: str, memberships: dict[str, tuple[list[str], list[str]]], **more: Any
) -> Document:
    since = AUTUMN + timedelta(days=between(0, 20, "since", key))
    return {
        "assessmentPid": f"roar-{between(1000, 9999, 'pid', key)}",
        "assessmentUid": firestore_id("assessment uid", key),
        "userType": user_type,
        "createdAt": iso(since),
        **{
            kind: _membership(*memberships.get(kind, ([], [])), since)
            for kind in ("classes", "districts", "families", "groups", "schools")
        },
        **more,
    }


def _student(district: str, school: str, number: int) -> Iterator[tuple[str, Document]]:
    key = f"{school} {number}"
    user_id = firestore_id("user", key)
    other_school = next(name for name in _SCHOOLS[district] if name != school)
    has_moved = share("moved", key) < 0.15
    grade = 3 + number % 2
    document = _user(
        key,
        "student",
        {
            "districts": ([firestore_id("district", district)], []),
            "schools": (
                [firestore_id("school", school)],
                [firestore_id("school", other_school)] if has_moved else [],
            ),
            "classes": ([firestore_id("class", school, number % 2)], []),
            "groups": ([firestore_id("group", "summer")] if number == 0 else [], []),
        },
        grade=str(grade),
        schoolLevel="middle" if "Middle" in school else "elementary",
        birthMonth=between(1, 12, "birth month", key),
        birthYear=2025 - 6 - grade,
    )
    # the last of each school has left for good
    if number == 11:
        yield f"deleted-users/{user_id}", document
        return
    yield f"users/{user_id}", document
    for task in ("swr", "pa"):
        if share("runs", key, task) < 0.7:
            yield from run_documents(f"users/{user_id}", key, task, firestore_id("district", district))


def _adults() -> Iterator[tuple[str, Document]]:
    district_ids = [firestore_id("district", district) for district in _DISTRICTS]
    people: dict[str, dict[str, tuple[list[str], list[str]]]] = {
        "admin": {"districts": ([district_ids[0]], [])},
        "educator": {
            "districts": ([district_ids[0]], []),
            "schools": ([firestore_id("school", "Lakeside Elementary")], []),
            "classes": ([firestore_id("class", "Lakeside Elementary", 0)], []),
        },
        "caregiver": {"families": ([firestore_id("family", 0)], [])},
        "researcher": {"groups": ([firestore_id("group", "siblings")], []), "districts": ([], district_ids)},
    }
    for user_type, memberships in people.items():
        user_id = firestore_id("user", user_type)
        yield f"users/{user_id}", _user(user_type, user_type, memberships)
        administers = {"districts": memberships.get("districts", ([], []))[0]}
        yield (
            f"userClaims/{user_id}",
            {
                "claims": {
                    "adminOrgs": {
                        **administers,
                        "adminUid": firestore_id("admin uid", user_type),
                        "assessmentUid": firestore_id("assessment uid", user_type),
                    },
                    "minimalAdminOrgs": {**administers, "roarUid": user_id},
                },
                "lastUpdated": int((AUTUMN + timedelta(days=2)).timestamp()),
            },
        )


def _guest(number: int) -> Iterator[tuple[str, Document]]:
    guest_id = firestore_id("guest", number)
    made = AUTUMN + timedelta(days=number, minutes=7)
    task = pick(tuple(TASKS), "guest's task", number)
    mode = mode_of(f"guest {number}", task)
    is_child = number % 3 != 2
    document: Document = {
        "assessmentPid": f"guest-{number:03}",
        "assessmentUid": firestore_id("assessment uid", "guest", number),
        "userType": "guest" if number % 4 else "student",
        "age": between(7, 12, "age", number) if is_child else None,
        "ageMonths": between(84, 150, "age in months", number) if is_child else None,
        "birthMonth": None,
        "birthYear": between(2013, 2018, "birth year", number) if is_child else None,
        "created": timestamp(made),
        "lastUpdated": iso(made + timedelta(minutes=30)),
        "tasks": [task],
        "variants": [variant_id(task, mode)],
    }
    if number % 5 != 4:
        document["districtId"] = firestore_id("district", pick(tuple(_DISTRICTS), "guest's district", number))
    yield f"guests/{guest_id}", document
    yield from run_documents(f"guests/{guest_id}", f"guest {number}", task, None)
