"""OneRoster CSV bundles, versions 1.1 and 1.2: rosters and gradebook results."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from timeback_analytics.load.csv_file import (
    CsvFile,
    Field,
    Record,
    as_boolean,
    as_date,
    as_decimal,
    as_list,
    as_text,
    as_timestamp,
    as_word,
    one_of,
)
from timeback_analytics.load.database import Database
from timeback_analytics.load.identifiers import derived_id, identify
from timeback_analytics.load.problems import LoadError, MalformedError, Problem, Problems, shown
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.source import Files, open_bundle
from timeback_analytics.load.tables import Owners, Reading, TableRows

MANIFEST = "manifest.csv"
VERSIONS = ("1.1", "1.2")
_MODES = ("absent", "bulk", "delta")
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
class _Entity:
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


def _required(name: str, parse: Callable[[str], Any]) -> Field:
    return Field(name, parse, header=True, filled=True)


_COMMON_FIELDS = (
    _required("sourcedId", _as_sourced_id),
    Field("status", one_of(_STATUSES)),
    Field("dateLastModified", as_timestamp),
)
_ORGS = _Entity(
    "orgs",
    "org",
    "organization",
    (
        _required("name", as_text),
        _required("type", one_of(_ORGANIZATION_TYPES, extensible=True)),
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
_ACADEMIC_SESSIONS = _Entity(
    "academicSessions",
    "academicSession",
    "academic session",
    (Field("parentSourcedId", _as_sourced_id),),
    {"parentSourcedId": "academicSession"},
)
_COURSES = _Entity(
    "courses",
    "course",
    "course",
    (
        _required("title", as_text),
        Field("courseCode", as_text),
        _required("orgSourcedId", _as_sourced_id),
        Field("schoolYearSourcedId", _as_sourced_id),
    ),
    {"orgSourcedId": "org", "schoolYearSourcedId": "academicSession"},
    "one_roster_course",
    {"title": ("title", None), "course_code": ("courseCode", None), "org_id": ("orgSourcedId", None)},
)
_USERS = _Entity(
    "users",
    "user",
    "user",
    (
        _required("enabledUser", as_boolean),
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
_USERS_1_1 = _Entity(
    _USERS.file,
    _USERS.kind,
    _USERS.name,
    (*_USERS.fields, _required("orgSourcedIds", as_list), _required("role", one_of(_ROLES, extensible=True))),
    {**_USERS.references, "orgSourcedIds": "org"},
    _USERS.table,
    _USERS.columns,
)
_USERS_1_2 = _Entity(
    _USERS.file,
    _USERS.kind,
    _USERS.name,
    (*_USERS.fields, Field("primaryOrgSourcedId", _as_sourced_id)),
    {**_USERS.references, "primaryOrgSourcedId": "org"},
    _USERS.table,
    _USERS.columns,
)
_ROLES_1_2 = _Entity(
    "roles",
    "role",
    "role",
    (
        _required("userSourcedId", _as_sourced_id),
        _required("roleType", one_of(("primary", "secondary"))),
        _required("role", one_of(_ROLES, extensible=True)),
        Field("beginDate", as_date),
        Field("endDate", as_date),
        _required("orgSourcedId", _as_sourced_id),
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
_CLASSES = _Entity(
    "classes",
    "class",
    "class",
    (
        _required("title", as_text),
        Field("grades", as_list),
        _required("courseSourcedId", _as_sourced_id),
        Field("classCode", as_text),
        _required("classType", one_of(("homeroom", "scheduled"), extensible=True)),
        _required("schoolSourcedId", _as_sourced_id),
        Field("termSourcedIds", as_list),
        Field("subjects", as_list),
        Field("subjectCodes", as_list),
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
_ENROLLMENTS = _Entity(
    "enrollments",
    "enrollment",
    "enrollment",
    (
        _required("classSourcedId", _as_sourced_id),
        _required("schoolSourcedId", _as_sourced_id),
        _required("userSourcedId", _as_sourced_id),
        _required("role", one_of(_ROLES, extensible=True)),
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
_LINE_ITEMS = _Entity(
    "lineItems",
    "lineItem",
    "line item",
    (_required("classSourcedId", _as_sourced_id),),
    {"classSourcedId": "class"},
)
_RESULTS = _Entity(
    "results",
    "result",
    "result",
    (
        _required("lineItemSourcedId", _as_sourced_id),
        _required("studentSourcedId", _as_sourced_id),
        _required("scoreStatus", one_of(_SCORE_STATUSES, extensible=True)),
        Field("score", as_decimal),
        _required("scoreDate", as_date),
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
_ENTITIES = {
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

_ROLE_COLUMNS = ("id", "user_id", "org_id", "role", "role_type", "end_date", "status", "date_last_modified")
_AGENT_COLUMNS = (
    "id",
    "source_user_id",
    "agent_user_id",
    "relationship_type",
    "end_date",
    "status",
    "date_last_modified",
)


class OneRoster:
    """The format `oneroster`."""

    name = "oneroster"
    description = "OneRoster CSV bundle, version 1.1 or 1.2"
    accepts = f"a folder or a zip with {MANIFEST}"

    def __init__(self) -> None:
        self.tables = {
            **{
                entity.table: ("id", "status", "date_created", "date_last_modified", *entity.columns)
                for entity in _ENTITIES["1.2"]
                if entity.table
            },
            "one_roster_class_grade": ("class_id", "placement_grade_id"),
            "one_roster_class_subject": ("class_id", "subject_id"),
            "one_roster_user_agent": (*_AGENT_COLUMNS, "date_created"),
            "cf_subject": ("identifier", "title", "hierarchy_code"),
            "placement_grade": ("id", "grade_primary_identifier"),
        }

    def read(self, path: Path, database: Database, problems: Problems, progress: Progress) -> Reading:
        """See Format.read."""
        with open_bundle(path, MANIFEST) as files:
            manifest = _Manifest(path, files, problems, progress)
            bundle = _Bundle(manifest, database, problems, progress)
            for entity in _ENTITIES[manifest.version]:
                if manifest.modes[entity.file] != "absent":
                    bundle.read(entity)
        return bundle.finish()


FORMAT = OneRoster()


class _Manifest:
    """What the bundle says of itself, compared with what it holds.

    Attributes:
        version: 1.1 or 1.2.
        source: the name of the system that wrote it; may be empty.
        modes: absent, bulk or delta, by file to read.
        broken: the files of which manifest and bundle say different things; their modes are absent.
        notes: see Reading.notes.
    """

    def __init__(self, path: Path, files: Files, problems: Problems, progress: Progress) -> None:
        if MANIFEST not in files.names:
            raise LoadError(
                str(path),
                [
                    Problem(
                        MANIFEST,
                        "it is missing, so this is no OneRoster bundle of version 1.1 or 1.2.",
                        "Version 1.0 has none and cannot be loaded. In a zip it lies at the top.",
                    )
                ],
            )
        self.files = files
        self.notes: list[str] = []
        self.broken: set[str] = set()
        fields = (_required("propertyName", as_word), Field("value", as_word, header=True))
        manifest = CsvFile(files, MANIFEST, fields, problems, progress)
        properties: dict[str, tuple[str, int]] = {}
        for record in manifest:
            name, value = record.values["propertyName"], record.values["value"] or ""
            if name in properties and properties[name][0] != value:
                reason = f"line {properties[name][1]} gives this property another value."
                problems.add(MANIFEST, reason, line=record.line, column="propertyName", value=name)
            elif name:
                properties[name] = value, record.line
        problems.raise_if_any(str(path))
        self._check_versions(path, properties)
        self.version = properties["oneroster.version"][0]
        self.source = properties.get("source.systemName", ("", 0))[0]
        self.modes = self._compare(properties, problems)

    @staticmethod
    def _check_versions(path: Path, properties: dict[str, tuple[str, int]]) -> None:
        for name, known in (("manifest.version", ("1.0",)), ("oneroster.version", VERSIONS)):
            value, line = properties.get(name, (None, None))
            if value is None:
                problem = Problem(MANIFEST, f"the property {name} is missing.")
            elif value not in known:
                problem = Problem(
                    MANIFEST,
                    f"this {name} cannot be loaded.",
                    f"It must be {' or '.join(known)}.",
                    line,
                    "value",
                    value,
                )
            else:
                continue
            raise LoadError(str(path), [problem])

    def _compare(self, properties: dict[str, tuple[str, int]], problems: Problems) -> dict[str, str]:
        """The modes of the files to read, where the manifest and the bundle agree."""
        read = {entity.file for entity in _ENTITIES[self.version]}
        foreign = {entity.file for entities in _ENTITIES.values() for entity in entities} - read
        said = {
            name.removeprefix("file."): value
            for name, value in properties.items()
            if name.startswith("file.")
        }
        modes = dict.fromkeys(read, "absent")
        for file in dict.fromkeys([*said, *sorted(read | foreign)]):
            mode, line = said.get(file, (None, None))
            is_there = f"{file}.csv" in self.files.names
            is_claimed = mode in ("bulk", "delta")
            if mode is not None and mode not in _MODES:
                fault = f"file.{file} must be one of {', '.join(_MODES)}.", ""
            elif file in foreign and is_there:
                fault = (
                    f"the bundle has a {file}.csv, which version {self.version} does not know.",
                    "Correct oneroster.version, or take the file away.",
                )
            elif file in read and is_claimed and not is_there:
                fault = f"the bundle has no {file}.csv.", f"Add the file, or say absent of file.{file}."
            elif file in read and is_there and not is_claimed:
                fault = (
                    f"the bundle has a {file}.csv, and file.{file} is {mode or 'not listed'}.",
                    f"Say bulk or delta of file.{file}, or take the file away.",
                )
            else:
                if file in read:
                    modes[file] = mode or "absent"
                elif is_claimed and not is_there:
                    self.notes.append(
                        f"{MANIFEST} says {mode} of {file}.csv, which is missing; it is not needed."
                    )
                continue
            self.broken.add(file)
            problems.add(MANIFEST, *fault, line=line, column="value" if mode else None, value=mode)
        lacks_roles = modes.get("roles") == "absent" and "roles" not in self.broken
        if modes["users"] == "bulk" and lacks_roles:
            problems.add(
                MANIFEST,
                "users.csv is bulk and there is no roles.csv, so nobody has a role.",
                "Add roles.csv to the export.",
            )
        return modes


@dataclass
class _Dangling:
    """The first reference to an id that is not in the bundle, and how many more there are."""

    file: str
    line: int
    column: str
    value: str
    more: int = 0


@dataclass(frozen=True)
class _Role:
    """A role of a person, as far as it matters to name a relationship."""

    role: str
    org_id: str
    is_primary: bool
    is_active: bool


@dataclass(frozen=True)
class _Listing:
    """The agents that a record of users.csv lists."""

    user_id: str
    agents: list[str]
    status: str
    modified: str | None
    line: int


class _Bundle:
    """A bundle as it is read, and the rows that come of it."""

    def __init__(
        self, manifest: _Manifest, database: Database, problems: Problems, progress: Progress
    ) -> None:
        self._manifest = manifest
        self._database = database
        self._problems = problems
        self._progress = progress
        self._notes = list(manifest.notes)
        self._tables: dict[str, TableRows] = {}
        # of each kind that has been read: its ids, with the line of each
        self._lines: dict[str, dict[str, int]] = {}
        self._unreadable = {
            entity.kind for entity in _ENTITIES[manifest.version] if entity.file in manifest.broken
        }
        self._dangling: dict[str, dict[str, _Dangling]] = defaultdict(dict)
        self._emails: dict[str, tuple[str, int, str]] = {}
        self._roles: dict[str, list[_Role]] = defaultdict(list)
        self._role_rows: dict[tuple[str, str, str], tuple[str, str, str | None]] = {}
        self._modified: dict[str, str | None] = {}
        self._listings: list[_Listing] = []
        self._class_grades: dict[str, tuple[int, list[str]]] = {}
        self._class_subjects: dict[str, list[tuple[str | None, str | None]]] = {}

    # Reading

    def read(self, entity: _Entity) -> None:
        """Read one file of the bundle; those that it refers to must have been read."""
        file = CsvFile(
            self._manifest.files,
            entity.file_name,
            _COMMON_FIELDS + entity.fields,
            self._problems,
            self._progress,
        )
        lines = self._lines[entity.kind] = {}
        is_delta = self._manifest.modes[entity.file] == "delta"
        also = {"user": self._read_user, "role": self._read_role, "class": self._read_class}.get(entity.kind)
        columns: dict[str, tuple[str, Any]] = {}
        rows = []
        for record in file:
            values = record.values
            if not lines and not rows:
                columns = {
                    name: source for name, source in entity.columns.items() if source[0] in file.columns
                }
            row_id = self._row_id(entity, record, lines)
            sound = record.sound and row_id is not None
            if is_delta:
                sound = self._check_delta(entity, record) and sound
            for column, kind in entity.references.items():
                self._refer(entity, record, column, kind)
            if not sound:
                continue
            status = values.get("status") or "active"
            modified = values.get("dateLastModified")
            if also:
                status = also(record, row_id, status, modified)
            if entity.table:
                rows.append(
                    (
                        row_id,
                        status,
                        modified,
                        *(
                            blank if values[name] is None else values[name]
                            for name, blank in columns.values()
                        ),
                    )
                )
        if not file.readable:
            self._unreadable.add(entity.kind)
        if entity.table and rows:
            names = ("id", "status", "date_last_modified", *columns)
            vacate = {"email": "null"} if entity.kind == "user" else {}
            self._tables[entity.table] = TableRows(entity.table, names, rows, vacate=vacate)

    def _row_id(self, entity: _Entity, record: Record, lines: dict[str, int]) -> str | None:
        sourced_id = record.values["sourcedId"]
        if sourced_id is None:
            return None
        row_id = _id(entity.kind, sourced_id)
        if row_id not in lines:
            lines[row_id] = record.line
            return row_id
        self._problems.add(
            entity.file_name,
            f"line {lines[row_id]} has the same sourcedId.",
            f"Each {entity.name} appears once in the file.",
            line=record.line,
            column="sourcedId",
            value=sourced_id,
        )
        return None

    def _check_delta(self, entity: _Entity, record: Record) -> bool:
        sound = True
        for column in ("status", "dateLastModified"):
            if record.values.get(column) is None and record.sound:
                sound = False
                self._problems.add(
                    entity.file_name,
                    f"the value is empty, and {MANIFEST} says that the file is delta.",
                    "Every record of a delta file says how and when it changed.",
                    line=record.line,
                    column=column,
                )
        return sound

    def _refer(self, entity: _Entity, record: Record, column: str, kind: str) -> None:
        """Put ids in place of the sourcedIds of a column, and note those that the bundle does not have."""
        value = record.values.get(column)
        if value is None:
            return
        known = self._lines.get(kind, {})
        ids = []
        for sourced_id in value if isinstance(value, list) else [value]:
            row_id = _id(kind, sourced_id)
            ids.append(row_id)
            if row_id in known:
                continue
            found = self._dangling[kind].get(row_id)
            if found:
                found.more += 1
            else:
                self._dangling[kind][row_id] = _Dangling(entity.file_name, record.line, column, sourced_id)
        record.values[column] = list(dict.fromkeys(ids)) if isinstance(value, list) else ids[0]

    def _read_user(self, record: Record, user_id: str, status: str, modified: str | None) -> str:
        values = record.values
        self._modified[user_id] = modified
        if values.get("email"):
            self._check_email(record, user_id, values["email"])
        if self._manifest.version == "1.1":
            role_status = "tobedeleted" if status == "tobedeleted" else "active"
            for number, org_id in enumerate(values["orgSourcedIds"]):
                role_type = "primary" if number == 0 else "secondary"
                self._role_rows[user_id, org_id, values["role"]] = role_type, role_status, modified
                self._roles[user_id].append(
                    _Role(values["role"], org_id, role_type == "primary", role_status == "active")
                )
        if values.get("agentSourcedIds") is not None:
            if user_id in values["agentSourcedIds"]:
                self._problems.add(
                    "users.csv",
                    "a user cannot be their own agent.",
                    line=record.line,
                    column="agentSourcedIds",
                )
            self._listings.append(_Listing(user_id, values["agentSourcedIds"], status, modified, record.line))
        elif "agentSourcedIds" in values:
            self._listings.append(_Listing(user_id, [], status, modified, record.line))
        return "inactive" if status == "active" and not values["enabledUser"] else status

    def _check_email(self, record: Record, user_id: str, email: str) -> None:
        _, line, _ = self._emails.setdefault(email.lower(), (user_id, record.line, email))
        if line != record.line:
            self._problems.add(
                "users.csv",
                f"line {line} has the same address.",
                "An address belongs to one user; capitals make no difference.",
                line=record.line,
                column="email",
                value=email,
            )

    def _read_role(self, record: Record, role_id: str, status: str, modified: str | None) -> str:
        values = record.values
        self._roles[values["userSourcedId"]].append(
            _Role(values["role"], values["orgSourcedId"], values["roleType"] == "primary", status == "active")
        )
        return status

    def _read_class(self, record: Record, class_id: str, status: str, modified: str | None) -> str:
        values = record.values
        if "grades" in values:
            self._class_grades[class_id] = record.line, values["grades"] or []
        names, codes = values.get("subjects") or [], values.get("subjectCodes") or []
        if names and codes and len(names) != len(codes):
            self._problems.add(
                "classes.csv",
                f"there are {len(codes)} codes for {len(names)} subjects.",
                "Give one code for each subject, in the same order, or no codes.",
                line=record.line,
                column="subjectCodes",
                value=", ".join(codes),
            )
        elif "subjects" in values or "subjectCodes" in values:
            pairs = zip(names or [None] * len(codes), codes or [None] * len(names), strict=True)
            self._class_subjects[class_id] = list(pairs)
        return status

    # What needs the whole bundle

    def finish(self) -> Reading:
        """The rows, once every file has been read."""
        self._check_references()
        self._check_emails_in_use()
        if not self._problems.total:
            self._finish_roles()
            self._finish_agents()
            self._finish_class_grades()
            self._finish_class_subjects()
        source = f" from {self._manifest.source}" if self._manifest.source else ""
        what = f"OneRoster {self._manifest.version} bundle{source}"
        return Reading(what, list(self._tables.values()), self._notes)

    def _check_references(self) -> None:
        entities = {entity.kind: entity for entity in _ENTITIES[self._manifest.version]}
        for kind, dangling in self._dangling.items():
            entity = entities[kind]
            known = self._lines.get(kind, {})
            is_stored = entity.table is not None
            if kind in self._unreadable or not (is_stored or kind in self._lines):
                continue
            missing = {row_id: found for row_id, found in dangling.items() if row_id not in known}
            stored = self._database.existing(entity.table, missing) if is_stored else set()
            for row_id, found in missing.items():
                if row_id in stored:
                    continue
                nor = " and the database has none" if is_stored else ""
                more = f" {found.more:,} more records refer to it." if found.more else ""
                self._problems.add(
                    found.file,
                    f"there is no such {entity.name} in {entity.file_name}{nor}.{more}",
                    f"Add the {entity.name} to the bundle, or correct the reference.",
                    line=found.line,
                    column=found.column,
                    value=found.value,
                )

    def _check_emails_in_use(self) -> None:
        in_use = self._database.rows(
            "one_roster_user", ("id", "email"), "email", list(self._emails), lower=True
        )
        for user_id, email in in_use:
            holder, line, written = self._emails[email.lower()]
            # one who is in the bundle too gives the address up, or is reported as a duplicate already
            if user_id != holder and user_id not in self._modified:
                self._problems.add(
                    "users.csv",
                    f"user {user_id} of the database has the same address.",
                    "An address belongs to one user; change one of them first.",
                    line=line,
                    column="email",
                    value=written,
                )

    def _finish_roles(self) -> None:
        """Version 1.1: roles out of users.csv; those that an earlier load found there and are gone, end."""
        if self._manifest.version != "1.1" or "one_roster_user" not in self._tables:
            return
        stored = self._database.rows(
            "one_roster_role",
            ("id", "user_id", "org_id", "role", "role_type", "status", "end_date"),
            "user_id",
            self._modified,
        )
        current = {}
        for row_id, user_id, org_id, role, _, status, end_date in sorted(stored, reverse=True):
            if status == "active" and end_date is None:
                current[user_id, org_id, role] = row_id
        rows = []
        for key, (role_type, status, modified) in self._role_rows.items():
            row_id = current.get(key) or _derived("role", key)
            rows.append((row_id, *key, role_type, None, status, modified))
        for row_id, user_id, org_id, role, role_type, _, end_date in stored:
            key = user_id, org_id, role
            if end_date is None and key not in self._role_rows and row_id == _derived("role", key):
                modified = self._modified[user_id]
                rows.append((row_id, *key, role_type, _day(modified), "inactive", modified))
        self._tables["one_roster_role"] = TableRows("one_roster_role", _ROLE_COLUMNS, rows)

    def _finish_agents(self) -> None:
        """Relationships out of agentSourcedIds; those that an earlier load found there and are gone, end."""
        listers = {listing.user_id: listing for listing in self._listings}
        if not listers:
            return
        wanted: dict[tuple[str, str, str], tuple[str, _Listing]] = {}
        self._add_stored_roles(
            {agent for listing in self._listings for agent in listing.agents} | set(listers)
        )
        for listing in self._listings:
            for agent_id in listing.agents:
                key = self._relationship(listing, agent_id)
                # the student's own listing says it, where both list each other
                if key and (key not in wanted or listing.user_id == key[0]):
                    wanted[key] = (
                        _derived("user_agent", (listing.user_id, *_others(key, listing.user_id))),
                        listing,
                    )
        columns = ("id", "source_user_id", "agent_user_id", "relationship_type", "end_date")
        stored = {
            row
            for column in ("source_user_id", "agent_user_id")
            for row in self._database.rows("one_roster_user_agent", columns, column, listers)
        }
        current = {row[1:4]: row[0] for row in sorted(stored, reverse=True) if row[4] is None}
        rows = []
        for key, (row_id, listing) in wanted.items():
            status = "tobedeleted" if listing.status == "tobedeleted" else "active"
            rows.append((current.get(key, row_id), *key, None, status, listing.modified))
        for row_id, source_id, agent_id, relationship, end_date in sorted(stored):
            key = source_id, agent_id, relationship
            if end_date is not None or key in wanted:
                continue
            for lister, other in ((source_id, agent_id), (agent_id, source_id)):
                if lister in listers and row_id == _derived("user_agent", (lister, other, relationship)):
                    modified = listers[lister].modified
                    rows.append((row_id, *key, _day(modified), "inactive", modified))
        self._tables["one_roster_user_agent"] = TableRows("one_roster_user_agent", _AGENT_COLUMNS, rows)

    def _add_stored_roles(self, user_ids: set[str]) -> None:
        """Roles from the database, of those whose roles the bundle does not give."""
        columns = ("user_id", "role", "org_id", "role_type", "status")
        unknown = user_ids - set(self._roles)
        for user_id, role, org_id, role_type, status in self._database.rows(
            "one_roster_role", columns, "user_id", unknown
        ):
            self._roles[user_id].append(_Role(role, org_id, role_type == "primary", status == "active"))

    def _relationship(self, listing: _Listing, agent_id: str) -> tuple[str, str, str] | None:
        """Student, adult and the adult's role, whichever of the two lists the other."""
        lister_role = self._role_towards(listing.user_id, agent_id)
        agent_role = self._role_towards(agent_id, listing.user_id)
        if agent_role is None:
            self._problems.add(
                "users.csv",
                f"the agent {agent_id} has no role, which would name the relationship.",
                "Give every agent a role.",
                line=listing.line,
                column="agentSourcedIds",
            )
            return None
        if agent_role == "student" and lister_role == "student":
            return listing.user_id, agent_id, "peer"
        if agent_role == "student" and lister_role is not None:
            return agent_id, listing.user_id, lister_role
        return listing.user_id, agent_id, agent_role

    def _role_towards(self, user_id: str, other_id: str) -> str | None:
        """The role that matters between two people: active, at an organization of both, primary."""
        shared = {role.org_id for role in self._roles.get(other_id, ())}
        ranked = sorted(
            self._roles.get(user_id, ()),
            key=lambda role: (not role.is_active, role.org_id not in shared, not role.is_primary, role.role),
        )
        return ranked[0].role if ranked else None

    def _finish_class_grades(self) -> None:
        if not self._class_grades:
            return
        stored = self._database.rows("placement_grade", ("grade_primary_identifier", "id"))
        grades = dict(sorted(stored, reverse=True))
        rows = []
        unknown: dict[str, list[int]] = defaultdict(list)
        for class_id, (line, codes) in self._class_grades.items():
            # spreadsheets take the zero off 01
            ids = {code: grades.get(code) or grades.get(code.zfill(2)) for code in codes}
            rows += [(class_id, grade_id) for grade_id in dict.fromkeys(filter(None, ids.values()))]
            for code in (code for code, grade_id in ids.items() if grade_id is None):
                unknown[code].append(line)
        if unknown:
            found = ", ".join(
                f"{shown(code)} (line {lines[0]}{f' and {len(lines) - 1:,} more' if lines[1:] else ''})"
                for code, lines in unknown.items()
            )
            self._notes.append(
                f"grades of classes.csv that placement_grade does not have were left out: {found}. "
                "Load the grade levels (timeback load grades), then this again."
            )
        self._add_set("one_roster_class_grade", "placement_grade_id", rows, self._class_grades)

    def _finish_class_subjects(self) -> None:
        if not self._class_subjects:
            return
        subjects = _Subjects(self._database)
        rows = [
            (class_id, subject_id)
            for class_id, pairs in self._class_subjects.items()
            for subject_id in dict.fromkeys(subjects.find(name, code) for name, code in pairs)
        ]
        if subjects.new:
            columns = ("identifier", "title", "hierarchy_code")
            self._tables["cf_subject"] = TableRows(
                "cf_subject", columns, list(subjects.new.values()), key=("identifier",), mode="insert"
            )
        self._add_set("one_roster_class_subject", "subject_id", rows, self._class_subjects)

    def _add_set(self, table: str, column: str, rows: list[tuple[str, str]], classes: Iterable[str]) -> None:
        owners = Owners("class_id", list(classes), "one_roster_class")
        self._tables[table] = TableRows(
            table, ("class_id", column), rows, key=("class_id", column), mode="set", owners=owners
        )


class _Subjects:
    """The subjects that classes name, among those of the database and new ones.

    Attributes:
        new: rows of cf_subject that the database does not have, by id.
    """

    def __init__(self, database: Database) -> None:
        self.new: dict[str, tuple[str, str, str]] = {}
        self._by_code: dict[str, list[str]] = defaultdict(list)
        self._by_title: dict[str, list[str]] = defaultdict(list)
        stored = database.rows("cf_subject", ("identifier", "title", "hierarchy_code"))
        # a framework's own subject comes before one that a roster brought, then the lowest id
        for subject_id, title, code in sorted(stored, key=lambda row: (self._is_derived(*row), row)):
            self._by_code[code].append(subject_id)
            self._by_title[_folded(title)].append(subject_id)

    @staticmethod
    def _is_derived(subject_id: str, title: str, code: str) -> bool:
        own = (_derived("subject", ("code", code)), _derived("subject", ("title", _folded(title))))
        return subject_id in own

    def find(self, name: str | None, code: str | None) -> str:
        """The subject with the code and the title, else the code, else the title, else a new one."""
        by_code = self._by_code.get(code, []) if code else []
        by_title = self._by_title.get(_folded(name), []) if name else []
        both = [subject_id for subject_id in by_code if subject_id in by_title]
        found = next(iter(both or by_code or by_title), None)
        if found:
            return found
        subject_id = _derived("subject", ("code", code) if code else ("title", _folded(name)))
        self.new.setdefault(subject_id, (subject_id, name or code, code or name))
        return subject_id


def _id(kind: str, sourced_id: str) -> str:
    return identify(f"oneroster/{kind}", sourced_id)


def _derived(kind: str, parts: tuple[str, ...]) -> str:
    return derived_id(f"oneroster/{kind}", *parts)


def _others(key: tuple[str, str, str], user_id: str) -> Iterator[str]:
    """The other person of a relationship, and its type."""
    return (part for part in key if part != user_id)


def _day(modified: str | None) -> str:
    """The day on which something ended that a record no longer says: when the record changed, else today."""
    moment = datetime.fromisoformat(modified) if modified else datetime.now(UTC)
    return moment.astimezone(UTC).date().isoformat()


def _folded(title: str) -> str:
    return " ".join(title.split()).casefold()
