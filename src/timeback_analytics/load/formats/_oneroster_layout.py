"""The files of a OneRoster bundle: their columns, what these refer to, and the tables that they become."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from timeback_analytics.load.csv_file import Field
from timeback_analytics.load.identifiers import derived_id, identify, scoped
from timeback_analytics.load.problems import MalformedError
from timeback_analytics.load.values import (
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
_STANDARD = {
    "orgs": "name type identifier parentSourcedId",
    "academicSessions": "title type startDate endDate parentSourcedId schoolYear",
    "courses": "schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes",
    "users": "enabledUser orgSourcedIds role username userIds givenName familyName middleName identifier "
    "email sms phone agentSourcedIds grades password userMasterIdentifier preferredGivenName "
    "preferredMiddleName preferredFamilyName primaryOrgSourcedId pronouns",
    "roles": "userSourcedId roleType role beginDate endDate orgSourcedId userProfileSourcedId",
    "classes": "title grades courseSourcedId classCode classType location schoolSourcedId termSourcedIds "
    "subjects subjectCodes periods",
    "enrollments": "classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate",
    "lineItems": "title description assignDate dueDate classSourcedId categorySourcedId "
    "gradingPeriodSourcedId academicSessionSourcedId schoolSourcedId resultValueMin resultValueMax",
    "results": "lineItemSourcedId studentSourcedId scoreStatus score scoreDate comment textScore "
    "classSourcedId scoreScaleSourcedId inProgress incomplete late missing",
}


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
        may_dangle: those of them that may name what is not there: they are not stored, or may be null.
        table: the operational table; None for a file that is read for the references to it alone.
        columns: column of the table: column of the file, and what stands for a blank.
        identity: see TableRows.identity.
    """

    file: str
    kind: str
    name: str
    fields: tuple[Field, ...]
    references: dict[str, str] = field(default_factory=dict)
    may_dangle: frozenset[str] = frozenset()
    table: str | None = None
    columns: dict[str, tuple[str, Any]] = field(default_factory=dict)
    identity: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """Its name in the bundle."""
        return f"{self.file}.csv"

    @property
    def standard(self) -> tuple[str, ...]:
        """Every column that the standard gives the file, in either version."""
        return tuple(_STANDARD[self.file].split())


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
    frozenset(["parentSourcedId"]),
    "one_roster_organization",
    {
        "name": ("name", None),
        "type": ("type", None),
        "identifier": ("identifier", None),
        "parent_id": ("parentSourcedId", None),
    },
    ("name",),
)
_ACADEMIC_SESSIONS = Entity(
    "academicSessions",
    "academicSession",
    "academic session",
    (Field("parentSourcedId", _as_sourced_id),),
    {"parentSourcedId": "academicSession"},
    frozenset(["parentSourcedId"]),
)
_COURSES = Entity(
    "courses",
    "course",
    "course",
    (
        Field("title", as_text, header=True),
        Field("courseCode", as_text),
        required("orgSourcedId", _as_sourced_id),
        Field("schoolYearSourcedId", _as_sourced_id),
    ),
    {"orgSourcedId": "org", "schoolYearSourcedId": "academicSession"},
    frozenset(["schoolYearSourcedId"]),
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
    frozenset(["agentSourcedIds"]),
    "one_roster_user",
    {
        "given_name": ("givenName", ""),
        "family_name": ("familyName", ""),
        "email": ("email", None),
        "username": ("username", None),
    },
    ("given_name", "family_name", "email"),
)
_USERS_1_1 = Entity(
    _USERS.file,
    _USERS.kind,
    _USERS.name,
    (*_USERS.fields, required("orgSourcedIds", as_list), required("role", one_of(_ROLES, extensible=True))),
    {**_USERS.references, "orgSourcedIds": "org"},
    _USERS.may_dangle,
    _USERS.table,
    _USERS.columns,
    _USERS.identity,
)
_USERS_1_2 = Entity(
    _USERS.file,
    _USERS.kind,
    _USERS.name,
    (*_USERS.fields, Field("primaryOrgSourcedId", _as_sourced_id)),
    {**_USERS.references, "primaryOrgSourcedId": "org"},
    _USERS.may_dangle | {"primaryOrgSourcedId"},
    _USERS.table,
    _USERS.columns,
    _USERS.identity,
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
    frozenset(),
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
        Field("title", as_text, header=True),
        Field("grades", as_list),
        Field("courseSourcedId", _as_sourced_id, header=True),
        Field("classCode", as_text),
        required("classType", one_of(("homeroom", "scheduled"), extensible=True)),
        required("schoolSourcedId", _as_sourced_id),
        Field("termSourcedIds", as_list),
        Field("subjects", as_places),
        Field("subjectCodes", as_places),
    ),
    {"courseSourcedId": "course", "schoolSourcedId": "org", "termSourcedIds": "academicSession"},
    frozenset(["termSourcedIds"]),
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
    frozenset(),
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
    frozenset(["classSourcedId"]),
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
    frozenset(),
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


def row_id(kind: str, sourced_id: str, source: str = "") -> str:
    """The id of the row for a sourcedId; see Options.source."""
    return identify(f"{scoped('oneroster', source)}/{kind}", sourced_id)


def own_id(kind: str, *parts: str) -> str:
    """The id of a row that the bundle implies and has no sourcedId for."""
    return derived_id(f"oneroster/{kind}", *parts)
