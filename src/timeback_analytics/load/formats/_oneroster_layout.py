"""The files of a OneRoster bundle: their columns, what these refer to, and the tables that they become."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from timeback_analytics.load.csv_file import (
    Field,
    as_boolean,
    as_date,
    as_decimal,
    as_list,
    as_midnight,
    as_places,
    as_text,
    as_timestamp,
    as_word,
    one_of,
)
from timeback_analytics.load.identifiers import derived_id, identify
from timeback_analytics.load.problems import MalformedError

_STATUSES = ("active", "inactive", "tobedeleted")
_ORGANIZATION_TYPES = ("department", "district", "local", "national", "school", "state")
# Both versions' words in either version: an export that says more than its version can is still clear.
_ROLES = (
    "administrator",
    "aide",
    "counselor",
    "districtAdministrator",
    "guardian",
    "parent",
    "principal",
    "proctor",
    "relative",
    "siteAdministrator",
    "student",
    "systemAdministrator",
    "teacher",
)
_SCORE_STATUSES = ("exempt", "fully graded", "not submitted", "partially graded", "submitted")
_LONGEST_SOURCED_ID = 255


def _as_sourced_id(cell: str) -> str:
    word = as_word(cell)
    if len(word) > _LONGEST_SOURCED_ID:
        raise MalformedError(f"a sourcedId has at most {_LONGEST_SOURCED_ID} characters.")
    return word


@dataclass(frozen=True)
class Entity:
    """A file of the bundle, and what its records become.

    Attributes:
        file: its name in the manifest; the file's name has .csv after it.
        kind: what a sourcedId of it identifies.
        name: what a person calls one of these.
        fields: the columns that are read beside sourcedId, status and dateLastModified.
        references: kind of what a column refers to; the columns named ...SourcedIds hold lists.
        table: the operational table; None for a file that is read for the references to it alone.
        columns: column of the table: column of the file, and what stands for a blank.
    """

    file: str
    kind: str
    name: str
    fields: tuple[Field, ...]
    references: dict[str, str] = field(default_factory=dict)
    table: str | None = None
    columns: dict[str, tuple[str, Any]] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        return f"{self.file}.csv"


def required(name: str, parse: Callable[[str], Any]) -> Field:
    return Field(name, parse, header=True, filled=True)


COMMON_FIELDS = (
    required("sourcedId", _as_sourced_id),
    Field("status", one_of(_STATUSES)),
    Field("dateLastModified", as_timestamp),
)
_ORGS = Entity(
    "orgs",
    "org",
    "organization",
    (
        required("name", as_text),
        required("type", one_of(_ORGANIZATION_TYPES, extensible=True)),
        Field("identifier", as_text),
        Field("parentSourcedId", _as_sourced_id),
    ),
    {"parentSourcedId": "org"},
    "one_roster_organization",
    {
        "name": ("name", None),
        "type": ("type", None),
        "identifier": ("identifier", None),
        "parent_id": ("parentSourcedId", None),
    },
)
_ACADEMIC_SESSIONS = Entity(
    "academicSessions",
    "academicSession",
    "academic session",
    (Field("parentSourcedId", _as_sourced_id),),
    {"parentSourcedId": "academicSession"},
)
_COURSES = Entity(
    "courses",
    "course",
    "course",
    (
        required("title", as_text),
        Field("courseCode", as_text),
        required("orgSourcedId", _as_sourced_id),
        Field("schoolYearSourcedId", _as_sourced_id),
    ),
    {"orgSourcedId": "org", "schoolYearSourcedId": "academicSession"},
    "one_roster_course",
    {"title": ("title", None), "course_code": ("courseCode", None), "org_id": ("orgSourcedId", None)},
)
_USERS = Entity(
    "users",
    "user",
    "user",
    (
        required("enabledUser", as_boolean),
        # the operational tables take nameless people, and exports of them exist
        Field("username", as_text, header=True),
        Field("givenName", as_text, header=True),
        Field("familyName", as_text, header=True),
        Field("email", as_word),
        Field("agentSourcedIds", as_list),
    ),
    {"agentSourcedIds": "user"},
    "one_roster_user",
    {
        "given_name": ("givenName", ""),
        "family_name": ("familyName", ""),
        "email": ("email", None),
        "username": ("username", None),
    },
)
_USERS_1_1 = Entity(
    _USERS.file,
    _USERS.kind,
    _USERS.name,
    (*_USERS.fields, required("orgSourcedIds", as_list), required("role", one_of(_ROLES, extensible=True))),
    {**_USERS.references, "orgSourcedIds": "org"},
    _USERS.table,
    _USERS.columns,
)
_USERS_1_2 = Entity(
    _USERS.file,
    _USERS.kind,
    _USERS.name,
    (*_USERS.fields, Field("primaryOrgSourcedId", _as_sourced_id)),
    {**_USERS.references, "primaryOrgSourcedId": "org"},
    _USERS.table,
    _USERS.columns,
)
_ROLES_1_2 = Entity(
    "roles",
    "role",
    "role",
    (
        required("userSourcedId", _as_sourced_id),
        required("roleType", one_of(("primary", "secondary"))),
        required("role", one_of(_ROLES, extensible=True)),
        Field("beginDate", as_date),
        Field("endDate", as_date),
        required("orgSourcedId", _as_sourced_id),
    ),
    {"userSourcedId": "user", "orgSourcedId": "org"},
    "one_roster_role",
    {
        "user_id": ("userSourcedId", None),
        "org_id": ("orgSourcedId", None),
        "role": ("role", None),
        "role_type": ("roleType", None),
        "begin_date": ("beginDate", None),
        "end_date": ("endDate", None),
    },
)
_CLASSES = Entity(
    "classes",
    "class",
    "class",
    (
        required("title", as_text),
        Field("grades", as_list),
        required("courseSourcedId", _as_sourced_id),
        Field("classCode", as_text),
        required("classType", one_of(("homeroom", "scheduled"), extensible=True)),
        required("schoolSourcedId", _as_sourced_id),
        Field("termSourcedIds", as_list),
        Field("subjects", as_places),
        Field("subjectCodes", as_places),
    ),
    {"courseSourcedId": "course", "schoolSourcedId": "org", "termSourcedIds": "academicSession"},
    "one_roster_class",
    {
        "title": ("title", None),
        "class_code": ("classCode", None),
        "class_type": ("classType", None),
        "course_id": ("courseSourcedId", None),
        "school_id": ("schoolSourcedId", None),
    },
)
_ENROLLMENTS = Entity(
    "enrollments",
    "enrollment",
    "enrollment",
    (
        required("classSourcedId", _as_sourced_id),
        required("schoolSourcedId", _as_sourced_id),
        required("userSourcedId", _as_sourced_id),
        required("role", one_of(_ROLES, extensible=True)),
        Field("primary", as_boolean),
        Field("beginDate", as_date),
        Field("endDate", as_date),
    ),
    {"classSourcedId": "class", "schoolSourcedId": "org", "userSourcedId": "user"},
    "one_roster_enrollment",
    {
        "user_id": ("userSourcedId", None),
        "class_id": ("classSourcedId", None),
        "role": ("role", None),
        "primary": ("primary", None),
        "begin_date": ("beginDate", None),
        "end_date": ("endDate", None),
    },
)
_LINE_ITEMS = Entity(
    "lineItems",
    "lineItem",
    "line item",
    (required("classSourcedId", _as_sourced_id),),
    {"classSourcedId": "class"},
)
_RESULTS = Entity(
    "results",
    "result",
    "result",
    (
        required("lineItemSourcedId", _as_sourced_id),
        required("studentSourcedId", _as_sourced_id),
        required("scoreStatus", one_of(_SCORE_STATUSES, extensible=True)),
        Field("score", as_decimal),
        required("scoreDate", as_midnight),
    ),
    {"lineItemSourcedId": "lineItem", "studentSourcedId": "user"},
    "one_roster_assessment_result",
    {
        "student_id": ("studentSourcedId", None),
        "assessment_line_item_id": ("lineItemSourcedId", None),
        "score_status": ("scoreStatus", None),
        "score": ("score", None),
        "score_date": ("scoreDate", None),
    },
)
# What is referred to comes before what refers to it.
ENTITIES = {
    "1.1": (_ORGS, _ACADEMIC_SESSIONS, _COURSES, _USERS_1_1, _CLASSES, _ENROLLMENTS, _LINE_ITEMS, _RESULTS),
    "1.2": (
        _ORGS,
        _ACADEMIC_SESSIONS,
        _COURSES,
        _USERS_1_2,
        _ROLES_1_2,
        _CLASSES,
        _ENROLLMENTS,
        _LINE_ITEMS,
        _RESULTS,
    ),
}


def row_id(kind: str, sourced_id: str) -> str:
    """The id of the row for a sourcedId."""
    return identify(f"oneroster/{kind}", sourced_id)


def own_id(kind: str, *parts: str) -> str:
    """The id of a row that the bundle implies and has no sourcedId for."""
    return derived_id(f"oneroster/{kind}", *parts)
