"""OneRoster CSV bundles, versions 1.1 and 1.2: rosters and gradebook results."""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from timeback_analytics.load.csv_file import CsvFile, Field, Record, as_word
from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._oneroster_classes import Subject, grades_of, subjects_of
from timeback_analytics.load.formats._oneroster_layout import (
    COMMON_FIELDS,
    ENTITIES,
    Entity,
    required,
    row_id,
)
from timeback_analytics.load.formats._oneroster_people import Person, Relationships, Role, roles_of
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import LoadError, Problem, Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.source import Files, open_bundle
from timeback_analytics.load.tables import Reading, TableRows

MANIFEST = "manifest.csv"
VERSIONS = tuple(ENTITIES)
_MODES = ("absent", "bulk", "delta")
# By table, the column that says to which organization or class a row belongs, and the file that brings the
# rows in version 1.1 and 1.2: what a whole bundle says all of.
_BELONGING = {
    "one_roster_course": ("org_id", "courses", "courses"),
    "one_roster_class": ("school_id", "classes", "classes"),
    "one_roster_role": ("org_id", "users", "roles"),
    "one_roster_enrollment": ("class_id", "enrollments", "enrollments"),
}


class OneRoster:
    """The format `oneroster`."""

    name = "oneroster"
    description = "OneRoster CSV bundle, version 1.1 or 1.2"
    accepts = f"a folder or a zip with {MANIFEST}"
    whole = (
        "courses, classes, roles and enrollments of the bundle's organizations that bulk files do not list"
    )
    options = frozenset()

    def __init__(self) -> None:
        self.tables = {
            **{
                entity.table: ("id", "status", "date_created", "date_last_modified", *entity.columns)
                for entity in ENTITIES["1.2"]
                if entity.table
            },
            "one_roster_user_agent": (
                "id",
                "source_user_id",
                "agent_user_id",
                "relationship_type",
                "end_date",
                "status",
                "date_created",
                "date_last_modified",
            ),
            "one_roster_class_grade": ("class_id", "placement_grade_id"),
            "one_roster_class_subject": ("class_id", "subject_id"),
            "cf_subject": ("identifier", "title", "hierarchy_code"),
            "placement_grade": ("id", "grade_primary_identifier"),
        }

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        with open_bundle(path, MANIFEST) as files:
            manifest = _Manifest(path, files, problems, progress)
            bundle = _Bundle(manifest, database, problems, progress)
            for entity in manifest.entities:
                if manifest.modes[entity.file] != "absent":
                    bundle.read(entity)
        return bundle.finish(options.whole)


FORMAT = OneRoster()


class _Manifest:
    """What the bundle says of itself, compared with what it holds.

    Attributes:
        version: 1.1 or 1.2.
        entities: what the version has, in the order in which to read it.
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
        fields = (required("propertyName", as_word), Field("value", as_word, header=True))
        manifest = CsvFile(files, MANIFEST, fields, problems, progress)
        properties: dict[str, tuple[str, int]] = {}
        for record in manifest:
            name, value = record.values["propertyName"], record.values["value"] or ""
            if name in properties and properties[name][0] != value:
                reason = f"line {properties[name][1]} gives this property another value."
                problems.add(MANIFEST, reason, line=record.line, column="propertyName", value=name)
            elif name:
                properties[name] = value, record.line
        problems.settle(str(path))
        self._check_versions(path, properties)
        self.version = properties["oneroster.version"][0]
        self.entities = ENTITIES[self.version]
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
        read = {entity.file for entity in self.entities}
        foreign = {entity.file for entities in ENTITIES.values() for entity in entities} - read
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
                    f"version {self.version} has no {file}.csv, and the bundle has one.",
                    "Correct oneroster.version, or take the file away.",
                )
            elif file in read and is_claimed and not is_there:
                fault = f"the bundle has no {file}.csv.", f"Add the file, or say absent of file.{file}."
            elif file in read and is_there and not is_claimed:
                fault = (
                    f"{file}.csv is in the bundle, and file.{file} is {mode or 'not listed'}.",
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


class _Bundle:
    """A bundle as it is read, and the rows that come of it."""

    def __init__(
        self, manifest: _Manifest, database: Database, problems: Problems, progress: Progress
    ) -> None:
        self._manifest = manifest
        self._database = database
        self._problems = problems
        self._progress = progress
        self._tables: dict[str, TableRows] = {}
        # of each kind that has been read: its ids, with the line of each
        self._lines: dict[str, dict[str, int]] = {}
        # kinds of which some ids are not known, so that a reference to one proves nothing
        self._unsure = {entity.kind for entity in manifest.entities if entity.file in manifest.broken}
        self._dangling: dict[str, dict[str, _Dangling]] = defaultdict(dict)
        self._emails: dict[str, tuple[str, int, str]] = {}
        self._people: dict[str, Person] = {}
        self._roles: dict[str, list[Role]] = defaultdict(list)
        self._class_grades: dict[str, tuple[int, list[str]]] = {}
        self._class_subjects: dict[str, list[Subject]] = {}

    def read(self, entity: Entity) -> None:
        """Read one file of the bundle; those that it refers to must have been read."""
        file = CsvFile(
            self._manifest.files,
            entity.file_name,
            COMMON_FIELDS + entity.fields,
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
            columns = columns or {
                name: source for name, source in entity.columns.items() if source[0] in file.columns
            }
            identifier = self._identify(entity, record, lines)
            sound = record.sound and identifier is not None
            if is_delta:
                sound = self._check_delta(entity, record) and sound
            written = values.get("agentSourcedIds")
            for column, kind in entity.references.items():
                self._refer(entity, record, column, kind)
            if not sound:
                continue
            if written:
                values["agentSourcedIds"] = dict(zip(values["agentSourcedIds"], written, strict=True))
            status = values.get("status") or "active"
            if also:
                status = also(record, identifier, status)
            if entity.table:
                rest = [blank if values[name] is None else values[name] for name, blank in columns.values()]
                rows.append((identifier, status, values.get("dateLastModified"), *rest))
        if not file.readable:
            self._unsure.add(entity.kind)
        if entity.table:
            names = ("id", "status", "date_last_modified", *(columns or entity.columns))
            vacate = {"email": "null"} if entity.kind == "user" else {}
            self._add(TableRows(entity.table, names, rows, newer_only=is_delta, vacate=vacate))

    def _identify(self, entity: Entity, record: Record, lines: dict[str, int]) -> str | None:
        """The id of the record's row; None where it has none of its own."""
        sourced_id = record.values["sourcedId"]
        if sourced_id is None:
            self._unsure.add(entity.kind)
            return None
        identifier = row_id(entity.kind, sourced_id)
        first = lines.setdefault(identifier, record.line)
        if first == record.line:
            return identifier
        self._problems.add(
            entity.file_name,
            f"line {first} has the same sourcedId.",
            f"Each {entity.name} appears once in the file.",
            line=record.line,
            column="sourcedId",
            value=sourced_id,
        )
        return None

    def _check_delta(self, entity: Entity, record: Record) -> bool:
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

    def _refer(self, entity: Entity, record: Record, column: str, kind: str) -> None:
        """Put ids in place of the sourcedIds of a column, and note those that the bundle does not have."""
        value = record.values.get(column)
        if value is None:
            return
        known = self._lines.get(kind, {})
        identifiers = []
        for sourced_id in value if isinstance(value, list) else [value]:
            identifier = row_id(kind, sourced_id)
            identifiers.append(identifier)
            if identifier in known:
                continue
            found = self._dangling[kind].get(identifier)
            if found:
                found.more += 1
            else:
                dangling = _Dangling(entity.file_name, record.line, column, sourced_id)
                self._dangling[kind][identifier] = dangling
        record.values[column] = identifiers if isinstance(value, list) else identifiers[0]

    def _read_user(self, record: Record, user_id: str, status: str) -> str:
        values = record.values
        agents = values.get("agentSourcedIds") or {}
        if user_id in agents:
            self._problems.add(
                "users.csv",
                "a user cannot be their own agent.",
                line=record.line,
                column="agentSourcedIds",
                value=agents[user_id],
            )
        person = Person(
            user_id,
            record.line,
            status == "tobedeleted",
            values.get("dateLastModified"),
            values.get("role"),
            tuple(dict.fromkeys(values.get("orgSourcedIds") or ())),
            agents if "agentSourcedIds" in values else None,
        )
        self._people[user_id] = person
        for number, org_id in enumerate(person.orgs):
            self._roles[user_id].append(Role(person.role, org_id, number == 0, not person.is_deleted))
        if values.get("email"):
            self._check_email(record, user_id, values["email"])
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

    def _read_role(self, record: Record, role_id: str, status: str) -> str:
        values = record.values
        self._roles[values["userSourcedId"]].append(
            Role(values["role"], values["orgSourcedId"], values["roleType"] == "primary", status == "active")
        )
        return status

    def _read_class(self, record: Record, class_id: str, status: str) -> str:
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
                value=",".join(code or "" for code in codes),
            )
        elif "subjects" in values or "subjectCodes" in values:
            pairs = zip(names or [None] * len(codes), codes or [None] * len(names), strict=True)
            self._class_subjects[class_id] = list(pairs)
        return status

    def finish(self, whole: bool) -> Reading:
        """The rows, once every file has been read; see Format.read for whole."""
        notes = list(self._manifest.notes)
        self._check_references()
        self._check_emails_in_use()
        if not self._problems.total:
            is_delta = self._manifest.modes["users"] == "delta"
            if self._people and self._manifest.version == "1.1":
                self._add(replace(roles_of(self._people, self._database), newer_only=is_delta))
            if any(person.agents is not None for person in self._people.values()):
                related = Relationships(self._people, self._roles, self._database, self._problems)
                self._add(replace(related.rows(), newer_only=is_delta))
            if self._class_grades:
                rows, note = grades_of(self._class_grades, self._database)
                self._add(rows)
                notes += [note] if note else []
            if self._class_subjects:
                self._add(*subjects_of(self._class_subjects, self._database))
            if whole:
                notes += self._delete_unlisted()
        source = f" from {self._manifest.source}" if self._manifest.source else ""
        return Reading(
            f"OneRoster {self._manifest.version} bundle{source}", list(self._tables.values()), notes
        )

    def _add(self, *tables: TableRows) -> None:
        self._tables |= {rows.table: rows for rows in tables}

    def _check_references(self) -> None:
        entities = {entity.kind: entity for entity in self._manifest.entities}
        for kind, dangling in self._dangling.items():
            entity = entities[kind]
            is_stored = entity.table is not None
            if kind in self._unsure or not (is_stored or kind in self._lines):
                continue
            # a file may refer to its own later records
            known = self._lines.get(kind, {})
            missing = {identifier: found for identifier, found in dangling.items() if identifier not in known}
            stored = self._database.existing(entity.table, missing) if is_stored else set()
            for identifier in missing.keys() - stored:
                found = missing[identifier]
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
        columns = ("id", "email")
        in_use = self._database.rows("one_roster_user", columns, "email", list(self._emails), lower=True)
        for user_id, email in in_use:
            holder, line, written = self._emails.get(email.lower(), (user_id, 0, ""))
            # one who is in the bundle too gives the address up
            if user_id != holder and user_id not in self._people:
                self._problems.add(
                    "users.csv",
                    f"user {user_id} of the database has the same address.",
                    "An address belongs to one user; change one of them first.",
                    line=line,
                    column="email",
                    value=written,
                )

    def _delete_unlisted(self) -> list[str]:
        """Mark what bulk files do not list of the bundle's organizations as tobedeleted; give notes on it."""
        notes = []
        orgs = self._lines.get("org", {})
        classes = dict(self._database.rows("one_roster_class", ("id", "status"), "school_id", orgs))
        for table, (column, *files) in _BELONGING.items():
            file = files[VERSIONS.index(self._manifest.version)]
            given = self._tables.get(table)
            if self._manifest.modes[file] != "bulk" or given is None:
                continue
            listed = {row[0] for row in given.rows}
            owners = classes if column == "class_id" else orgs
            stored = (
                dict(zip(given.columns, row, strict=True))
                for row in self._database.rows(table, given.columns, column, owners)
            )
            gone = [
                tuple({**row, "status": "tobedeleted", "date_last_modified": None}.values())
                for row in stored
                if row["id"] not in listed and row["status"] != "tobedeleted"
            ]
            if gone:
                notes.append(
                    f"{len(gone):,} rows of {table} that {file}.csv does not list become tobedeleted."
                )
                self._add(replace(given, rows=[*given.rows, *gone]))
        return notes
