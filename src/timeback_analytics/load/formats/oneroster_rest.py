"""OneRoster over REST, versions 1.1 and 1.2, with TimeBack's course components: saved JSON answers."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._json_records import Record, read_records
from timeback_analytics.load.formats._lenient import storable
from timeback_analytics.load.formats._rest_bundle import Places, write_bundle
from timeback_analytics.load.formats._rest_collections import BY_NAME, COLLECTIONS, day, moment, ref, text
from timeback_analytics.load.formats._rest_tables import (
    TABLES,
    component_rows,
    ended_roles,
    result_rows,
    role_id,
    row_id,
)
from timeback_analytics.load.formats.oneroster import FORMAT as BUNDLE
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.tables import Reading


class OneRosterRest:
    """The format `oneroster-rest`."""

    name = "oneroster-rest"
    description = "OneRoster over REST, version 1.1 or 1.2, with TimeBack's course components"
    accepts = "saved JSON answers, whole collections or pages; a file, or a folder of them"
    whole = BUNDLE.whole
    options = frozenset({"source"})

    def __init__(self) -> None:
        self.tables = {**BUNDLE.tables, **TABLES}

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        answers = _Answers(problems)
        for record in read_records(path, [*BY_NAME], problems, progress, mark="sourcedId"):
            answers.add(record)
        if problems.is_hopeless:
            return Reading(self.description)
        return answers.finish(database, progress, options)


FORMAT = OneRosterRest()


class _Answers:
    """The records of all answers; of one sourcedId the newest counts, of two as old the later one."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._things: dict[str, dict[str, tuple[str, Record, dict[str, Any]]]] = {}
        self._passed_over = 0
        self._again = 0

    def add(self, record: Record) -> None:
        """Add a record, or say what is wrong with it."""
        kind, thing = _kind_of(record)
        if kind is None:
            record.refuse(
                self._problems,
                "nothing says of which collection this is.",
                'Save answers as they come, such as {"users": [...]}, or name the file after the collection.',
            )
            return
        if kind == "others":
            self._passed_over += 1
            return
        sourced_id = text(thing.get("sourcedId")).strip() if isinstance(thing, dict) else ""
        if not sourced_id:
            record.refuse(self._problems, "this is not a record: it has no sourcedId.")
            return
        if not _is_storable(thing):
            record.refuse(self._problems, "a text holds a NUL or half of a surrogate pair.", value=sourced_id)
            return
        modified = moment(thing.get("dateLastModified"))
        things = self._things.setdefault(kind, {})
        known = things.get(sourced_id)
        self._again += known is not None
        if known is None or modified >= known[0]:
            things[sourced_id] = modified, record, thing

    def finish(self, database: Database, progress: Progress, options: Options) -> Reading:
        """The rows and the notes."""
        places = Places(self._problems)
        lines = self._lines(database, places, options.source)
        reading = Reading("")
        if lines:
            with tempfile.TemporaryDirectory(prefix="timeback-load-") as folder:
                write_bundle(Path(folder), lines)
                reading = BUNDLE.read(Path(folder), database, places, progress, options)
        if self._problems.is_hopeless:
            return reading
        reading.notes[:] = [places.told(note) for note in reading.notes]
        users = {row_id("user", name, options.source): found[2] for name, found in self._of("users").items()}
        tables = [
            replace(rows, rows=[*rows.rows, *ended_roles(users, rows, database, options.source)])
            if rows.table == "one_roster_role"
            else rows
            for rows in reading.tables
        ]
        listed = next((rows.rows for rows in tables if rows.table == "one_roster_user"), [])
        tables += result_rows(
            self._of("results"), {row[0] for row in listed}, database, self._problems, options
        )
        tables += component_rows(
            self._of("components"), self._of("componentResources"), self._of("courses"), database, options
        )
        counted = ", ".join(
            f"{len(things):,} {kind}" for kind, things in sorted(self._things.items()) if kind != "roles"
        )
        notes = list(reading.notes)
        if self._again:
            notes.append(f"{self._again:,} records came again; of each the newest counts.")
        if self._passed_over:
            notes.append(f"{self._passed_over:,} records of collections that have no table were ignored.")
        return replace(
            reading, what=f"OneRoster over REST: {counted or 'no records'}", tables=tables, notes=notes
        )

    def _of(self, kind: str) -> dict[str, tuple[str, Record, dict[str, Any]]]:
        return self._things.get(kind, {})

    def _lines(self, database: Database, places: Places, source: str) -> dict[str, list[list[str]]]:
        """The lines of each file of a bundle; a file that there are no records for is left out."""
        lines: dict[str, list[list[str]]] = {}
        for kind in ("orgs", "academicSessions", "courses", "users", "classes", "enrollments"):
            for _, record, thing in self._of(kind).values():
                if kind == "enrollments" and not ref(thing.get("school")):
                    thing = {**thing, "school": self._school_of(ref(thing.get("class")), database, source)}
                lines.setdefault(kind, []).append(COLLECTIONS[kind].cells(thing))
                places.put(kind, record)
        if "users" in lines:
            lines["roles"] = []
        for user, (_, record, thing) in self._of("users").items():
            for role in roles_of(thing):
                said = {
                    **role,
                    "sourcedId": role_id(user, ref(role["org"]), role["role"], source),
                    "user": user,
                    "status": thing.get("status"),
                    "dateLastModified": thing.get("dateLastModified"),
                }
                lines["roles"].append(COLLECTIONS["roles"].cells(said))
                places.put("roles", record)
        return lines

    def _school_of(self, name: str, database: Database, source: str) -> str:
        """The school of a class, which the platform's enrollments need not name."""
        found = self._of("classes").get(name)
        if found:
            return ref(found[2].get("school"))
        stored = database.rows("one_roster_class", ("school_id",), "id", [row_id("class", name, source)])
        return (stored[0][0] or "") if stored else ""


def roles_of(user: dict[str, Any]) -> list[dict[str, Any]]:
    """The roles of a user: those of version 1.2, else role and orgs of 1.1; each role of an org once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    said = user.get("roles")
    if isinstance(said, list) and said:
        for role in said:
            if isinstance(role, dict):
                org = role.get("org") or user.get("primaryOrg")
                key = text(role.get("role")), ref(org)
                found.setdefault(key, {"roleType": "primary", **role, "role": key[0], "org": org})
    elif user.get("role"):
        orgs = user.get("orgs") if isinstance(user.get("orgs"), list) else [user.get("org")]
        for number, org in enumerate(org for org in orgs if ref(org)):
            key = text(user["role"]), ref(org)
            kind = "secondary" if number else "primary"
            found.setdefault(key, {"role": key[0], "org": org, "roleType": kind})
    return [
        {**role, "beginDate": day(role.get("beginDate")), "endDate": day(role.get("endDate"))}
        for role in found.values()
    ]


def _kind_of(record: Record) -> tuple[str | None, Any]:
    """The kind of a record, and the record itself, which a single one's answer wraps."""
    value = record.value
    if isinstance(value, dict) and "sourcedId" not in value:
        for name, member in value.items():
            if name in BY_NAME and isinstance(member, dict):
                return BY_NAME[name], member
    if record.column:
        name = record.column.rpartition(".")[2].partition("[")[0]
        if name in BY_NAME:
            return BY_NAME[name], value
    stem = record.file.replace("\\", "/").rpartition("/")[2].lower()
    named = [name for name in BY_NAME if stem.startswith(name.lower())]
    return (BY_NAME[max(named, key=len)], value) if named else (None, value)


def _is_storable(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_storable, value.values()))
    if isinstance(value, list):
        return all(map(_is_storable, value))
    return not isinstance(value, str) or storable(value)
