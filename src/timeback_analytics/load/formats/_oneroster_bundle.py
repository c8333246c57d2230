"""A OneRoster bundle as it is read, and the rows that come of it."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from timeback_analytics.load.csv_file import CsvFile, Record
from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._oneroster_addresses import Addresses
from timeback_analytics.load.formats._oneroster_classes import ClassLinks
from timeback_analytics.load.formats._oneroster_layout import COMMON_FIELDS, Entity
from timeback_analytics.load.formats._oneroster_manifest import MANIFEST, Manifest
from timeback_analytics.load.formats._oneroster_people import Person, Relationships, Role, roles_of
from timeback_analytics.load.formats._oneroster_references import References
from timeback_analytics.load.formats._oneroster_whole import unlisted
from timeback_analytics.load.losses import Loss
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.tables import Reading, TableRows

_DELETED = "tobedeleted"


class Bundle:
    """The records of a bundle, file by file, and the rows that they become."""

    def __init__(
        self,
        manifest: Manifest,
        database: Database,
        problems: Problems,
        progress: Progress,
        options: Options,
    ) -> None:
        self._manifest = manifest
        self._database = database
        self._problems = problems
        self._progress = progress
        self._options = options
        self._tables: dict[str, TableRows] = {}
        self._notes: list[str] = list(manifest.notes)
        self._references = References(manifest.entities, database, problems, options.source)
        self._references.unsure |= {
            entity.kind for entity in manifest.entities if entity.file in manifest.broken
        }
        self._addresses = Addresses(database)
        self._people: dict[str, Person] = {}
        self._roles: dict[str, list[Role]] = defaultdict(list)
        self._links = ClassLinks()

    def read(self, entity: Entity) -> None:
        """Read one file of the bundle; those that it refers to must have been read."""
        is_delta = self._manifest.modes[entity.file] == "delta"
        file = self._open(entity, is_delta)
        references = self._references
        references.begin(entity)
        keeps_values = entity.kind in ("user", "role", "class")
        # columns of lists have names in the plural
        columns = [(column, kind, column.endswith("s")) for column, kind in entity.references.items()]
        stored: list[tuple[str, Any]] = []
        kept: list[tuple[Record, str]] = []
        rows: list[tuple[Any, ...]] = []
        # records with only a status, with their dates
        bare: dict[str, tuple[str, str | None]] = {}
        for record in file:
            values = record.values
            stored = stored or [source for source in entity.columns.values() if source[0] in file.columns]
            sound = record.sound
            if is_delta and sound:
                sound = self._check_delta(entity, record)
            identifier = references.identify(entity, values["sourcedId"], record.line, is_sound=sound)
            if sound and identifier and _lacks_needed(entity, values):
                bare[identifier] = values["status"], values.get("dateLastModified")
                continue
            if self._problems.skips_bad and not (sound and identifier):
                continue
            number = len(rows)
            for column, kind, is_list in columns:
                value = values.get(column)
                if value is None:
                    continue
                if is_list:
                    values[column] = {
                        references.resolve(kind, one, column, number, record.line): one for one in value
                    }
                else:
                    values[column] = references.resolve(kind, value, column, number, record.line)
            if not sound or identifier is None:
                continue
            if entity.table:
                rest = [blank if values[name] is None else values[name] for name, blank in stored]
                rows.append(
                    (identifier, values.get("status") or "active", values.get("dateLastModified"), *rest)
                )
            else:
                rows.append((identifier,))
            if keeps_values:
                kept.append((record, identifier))
        if not file.readable:
            references.unsure.add(entity.kind)
        self._notes += file.notes
        self._settle(entity, file, rows, kept, bare, is_delta)

    def _open(self, entity: Entity, is_delta: bool) -> CsvFile:
        return CsvFile(
            self._manifest.files,
            entity.file_name,
            COMMON_FIELDS + entity.fields,
            self._problems,
            self._progress,
            encoding=self._options.encoding,
            standard=entity.standard,
            excused=lambda values: _says_status_alone(values, is_delta),
        )

    def _settle(
        self,
        entity: Entity,
        file: CsvFile,
        rows: list[tuple[Any, ...]],
        kept: list[tuple[Record, str]],
        bare: dict[str, tuple[str, str | None]],
        is_delta: bool,
    ) -> None:
        """Turn the records of a file into rows, once all of them are known."""
        bare_rows = (
            self._database.rows(entity.table, ("id", *self._names(entity, file)[3:]), "id", bare)
            if entity.table
            else []
        )
        self._references.drop(entity, bare.keys() - {row[0] for row in bare_rows})
        rejected, blanked = self._references.settle(entity)
        also = {"user": self._read_user, "role": self._read_role, "class": self._read_class}.get(entity.kind)
        for number, (record, identifier) in enumerate(kept):
            if number not in rejected:
                row = also(record, identifier, rows[number])
                if row is None:
                    rejected.add(number)
                else:
                    rows[number] = row
        self._references.forget(entity, [rows[number][0] for number in rejected if number < len(rows)])
        if not entity.table:
            return
        names = self._names(entity, file)
        places = {source: names.index(name) for name, (source, _) in entity.columns.items() if name in names}
        for column in blanked.keys() & places.keys():
            for number in blanked[column]:
                if number < len(rows):
                    row = list(rows[number])
                    row[places[column]] = None
                    rows[number] = tuple(row)
        if rejected:
            rows = [row for number, row in enumerate(rows) if number not in rejected]
        rows += self._with_status(entity, bare, bare_rows)
        if entity.kind == "user":
            rows = self._addresses.share_out(names, rows, self._notes)
        vacate = {"email": "null"} if entity.kind == "user" else {}
        self._add(
            TableRows(entity.table, names, rows, newer_only=is_delta, vacate=vacate, identity=entity.identity)
        )

    def _check_delta(self, entity: Entity, record: Record) -> bool:
        sound = True
        for column in ("status", "dateLastModified"):
            if record.values.get(column) is None:
                sound = False
                self._problems.reject(
                    entity.file_name,
                    f"the value is empty, and {MANIFEST} says that the file is delta.",
                    "Every record of a delta file says how and when it changed.",
                    line=record.line,
                    column=column,
                )
        return sound

    @staticmethod
    def _names(entity: Entity, file: CsvFile) -> tuple[str, ...]:
        """The columns of the entity's table that the file gives."""
        present = [name for name, source in entity.columns.items() if source[0] in file.columns]
        return "id", "status", "date_last_modified", *(present or entity.columns)

    def _with_status(
        self, entity: Entity, bare: dict[str, tuple[str, str | None]], stored: list[tuple[Any, ...]]
    ) -> list[tuple[Any, ...]]:
        """The stored rows of records that say nothing but a status, with that status."""
        rows = []
        for identifier, *rest in stored:
            status, modified = bare[identifier]
            rows.append((identifier, status, modified, *rest))
            if entity.kind == "user":
                self._people[identifier] = Person.bare(identifier, status == _DELETED, modified)
        if len(rows) < len(bare):
            self._notes.append(
                f"{len(bare) - len(rows):,} records of {entity.file_name} have only a status, "
                f"for {entity.name}s that are not stored; they were ignored."
            )
        return rows

    def _read_user(self, record: Record, user_id: str, row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        values = record.values
        agents = values.get("agentSourcedIds")
        if agents and user_id in agents:
            self._problems.reject(
                "users.csv",
                "a user cannot be their own agent.",
                line=record.line,
                column="agentSourcedIds",
                value=agents[user_id],
            )
            return None
        missing = self._references.missing["user"]
        status = row[1]
        self._people[user_id] = person = Person(
            user_id,
            record.line,
            status == _DELETED,
            values.get("dateLastModified"),
            values.get("role"),
            tuple(values.get("orgSourcedIds") or ()),
            {key: name for key, name in (agents or {}).items() if key not in missing}
            if "agentSourcedIds" in values
            else None,
        )
        for number, org_id in enumerate(person.orgs):
            self._roles[user_id].append(Role(person.role, org_id, number == 0, not person.is_deleted))
        if values.get("email"):
            self._addresses.claim(values["email"], user_id, record.line)
        if status == "active" and not values["enabledUser"]:
            return (row[0], "inactive", *row[2:])
        return row

    def _read_role(self, record: Record, role_id: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = record.values
        self._roles[values["userSourcedId"]].append(
            Role(values["role"], values["orgSourcedId"], values["roleType"] == "primary", row[1] == "active")
        )
        return row

    def _read_class(self, record: Record, class_id: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self._links.add(class_id, record.line, record.values)
        return row

    def finish(self) -> Reading:
        """The rows, once every file has been read."""
        notes = [*self._notes, *self._references.notes]
        losses: list[Loss] = []
        orgs = self._references.lines.get("org", {})
        if self._options.source and self._is_stored_without_source():
            self._problems.add(
                "orgs.csv",
                "the organizations are stored already, from a load that named no source.",
                "Load this without --source, as it was then: with one, everybody would be there twice.",
            )
        if not self._problems.is_hopeless:
            is_delta = self._manifest.modes["users"] == "delta"
            if self._people and self._manifest.version == "1.1":
                rows, loss = roles_of(self._people, self._database)
                self._add(replace(rows, newer_only=is_delta))
                losses.append(loss)
            if any(person.has_relationships for person in self._people.values()):
                related = Relationships(self._people, self._roles, self._database, self._problems)
                rows, loss = related.rows()
                self._add(replace(rows, newer_only=is_delta))
                losses.append(loss)
                notes += related.notes
            for rows in self._links.rows(self._database):
                self._add(rows)
            notes += self._links.notes
            if self._options.whole:
                rows, lost, said = unlisted(self._manifest, self._tables, orgs, self._database)
                self._add(*rows)
                losses += lost
                notes += said
        source = f" from {self._manifest.source}" if self._manifest.source else ""
        what = f"OneRoster {self._manifest.version} bundle{source}"
        return Reading(what, list(self._tables.values()), notes, losses)

    def _is_stored_without_source(self) -> bool:
        """Whether most of the organizations are stored, by id and name, from a load that named no source."""
        given = self._tables.get("one_roster_organization")
        if given is None:
            return False
        names = dict(zip((row[0] for row in given.rows), (row[3] for row in given.rows), strict=True))
        ids = self._references.ids_without_source("org")
        if not ids or self._database.existing("one_roster_organization", ids):
            return False
        stored = dict(self._database.rows("one_roster_organization", ("id", "name"), "id", ids.values()))
        same = sum(stored.get(plain) == names.get(scoped, "") for scoped, plain in ids.items())
        return 2 * same > len(ids)

    def _add(self, *tables: TableRows) -> None:
        self._tables |= {rows.table: rows for rows in tables}


def _says_status_alone(values: dict[str, Any], is_delta: bool) -> bool:
    """Whether a status is enough: something is gone, or a record of a delta file changes only its status."""
    if values.get("sourcedId") is None:
        return False
    if values.get("status") == _DELETED:
        return True
    if not is_delta:
        return False
    given = {name for name, value in values.items() if value is not None}
    return "status" in given and given <= {"sourcedId", "status", "dateLastModified"}


def _lacks_needed(entity: Entity, values: dict[str, Any]) -> bool:
    return any(values.get(field.name) is None for field in entity.fields if field.filled)
