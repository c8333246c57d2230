"""OneRoster over REST: the collections, and what a record of one is in a CSV bundle of version 1.2."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import unquote

from timeback_analytics.load.formats._lenient import as_datetime, instant
from timeback_analytics.load.problems import MalformedError

Thing = Mapping[str, Any]
COMMON = ("sourcedId", "status", "dateLastModified")
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]")


def text(value: Any) -> str:
    """A value as a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def listed(value: Any) -> str:
    """A list as a cell, whose commas part its elements; a comma in an element becomes a space."""
    values = value if isinstance(value, list) else [] if value is None else str(value).split(",")
    return ",".join(text(one).replace(",", " ") for one in values)


def day(value: Any) -> str:
    """A date, of a time too."""
    found = text(value)
    form = _DAY.match(found)
    return form[1] if form else found


def moment(value: Any) -> str:
    """A time in UTC; what is none stays as it is, to be told."""
    if value in (None, ""):
        return ""
    try:
        return as_datetime(instant(value)[0]).astimezone(UTC).isoformat().replace("+00:00", "Z")
    except MalformedError:
        return text(value)


def ref(value: Any) -> str:
    """The sourcedId of a reference: an object, or the id alone."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, Mapping):
        found = value.get("sourcedId")
        if not found and isinstance(value.get("href"), str):
            found = unquote(value["href"].rstrip("/").rpartition("/")[2])
        return text(found)
    return text(value)


def refs(value: Any) -> str:
    """The sourcedIds of a list of references as a cell."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return ",".join(filter(None, map(ref, values)))


def _enabled(value: Any) -> str:
    return {"": "true", "1": "true", "0": "false"}.get(text(value), text(value).lower())


@dataclass(frozen=True)
class Collection:
    """A collection of the interface.

    Attributes:
        file: the file of a bundle that has its records; empty where none has.
        names: what the list in an answer is called, then what a single one is called.
        columns: column of the file: member of the record, and what makes a cell of it.
    """

    file: str
    names: tuple[str, ...]
    columns: Mapping[str, tuple[str, Callable[[Any], str]]]

    def cells(self, thing: Thing) -> list[str]:
        """The record as a line of the file."""
        common = [
            text(thing.get("sourcedId")),
            text(thing.get("status")),
            moment(thing.get("dateLastModified")),
        ]
        return common + [make(thing.get(member)) for member, make in self.columns.values()]

    @property
    def header(self) -> tuple[str, ...]:
        """The header of the file."""
        return (*COMMON, *self.columns)


COLLECTIONS = {
    "orgs": Collection(
        "orgs",
        ("orgs", "schools", "org", "school"),
        {
            "name": ("name", text),
            "type": ("type", text),
            "identifier": ("identifier", text),
            "parentSourcedId": ("parent", ref),
        },
    ),
    "academicSessions": Collection(
        "academicSessions",
        ("academicSessions", "terms", "gradingPeriods", "academicSession", "term", "gradingPeriod"),
        {
            "title": ("title", text),
            "type": ("type", text),
            "startDate": ("startDate", day),
            "endDate": ("endDate", day),
            "parentSourcedId": ("parent", ref),
            "schoolYear": ("schoolYear", text),
        },
    ),
    "courses": Collection(
        "courses",
        ("courses", "course"),
        {
            "schoolYearSourcedId": ("schoolYear", ref),
            "title": ("title", text),
            "courseCode": ("courseCode", text),
            "grades": ("grades", listed),
            "orgSourcedId": ("org", ref),
            "subjects": ("subjects", listed),
            "subjectCodes": ("subjectCodes", listed),
        },
    ),
    "users": Collection(
        "users",
        ("users", "students", "teachers", "user", "student", "teacher"),
        {
            "enabledUser": ("enabledUser", _enabled),
            "username": ("username", text),
            "givenName": ("givenName", text),
            "familyName": ("familyName", text),
            "middleName": ("middleName", text),
            "email": ("email", text),
            "agentSourcedIds": ("agents", refs),
            "primaryOrgSourcedId": ("primaryOrg", ref),
        },
    ),
    "roles": Collection(
        "roles",
        (),
        {
            "userSourcedId": ("user", ref),
            "roleType": ("roleType", text),
            "role": ("role", text),
            "beginDate": ("beginDate", day),
            "endDate": ("endDate", day),
            "orgSourcedId": ("org", ref),
        },
    ),
    "classes": Collection(
        "classes",
        ("classes", "class"),
        {
            "title": ("title", text),
            "grades": ("grades", listed),
            "courseSourcedId": ("course", ref),
            "classCode": ("classCode", text),
            "classType": ("classType", lambda value: text(value) or "scheduled"),
            "location": ("location", text),
            "schoolSourcedId": ("school", ref),
            "termSourcedIds": ("terms", refs),
            "subjects": ("subjects", listed),
            "subjectCodes": ("subjectCodes", listed),
        },
    ),
    "enrollments": Collection(
        "enrollments",
        ("enrollments", "enrollment"),
        {
            "classSourcedId": ("class", ref),
            "schoolSourcedId": ("school", ref),
            "userSourcedId": ("user", ref),
            "role": ("role", text),
            "primary": ("primary", text),
            "beginDate": ("beginDate", day),
            "endDate": ("endDate", day),
        },
    ),
    "results": Collection("", ("results", "assessmentResults", "result", "assessmentResult"), {}),
    "components": Collection("", ("courseComponents", "components", "courseComponent", "component"), {}),
    "componentResources": Collection("", ("componentResources", "componentResource"), {}),
    # read so that their files are not a mistake; no table has them
    "others": Collection(
        "",
        (
            *("resources", "lineItems", "assessmentLineItems", "categories", "scoreScales", "demographics"),
            *("resource", "lineItem", "assessmentLineItem", "category", "scoreScale"),
        ),
        {},
    ),
}
BY_NAME = {name: kind for kind, collection in COLLECTIONS.items() for name in collection.names}
