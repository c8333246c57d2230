"""The sourcedIds of a bundle, and whether what its records refer to is there."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._oneroster_layout import Entity, row_id
from timeback_analytics.load.problems import Problems, shown


@dataclass(frozen=True, slots=True)
class _Reference:
    """A reference to an id that is not in the bundle.

    Attributes:
        row: number of the record among those of its file that were kept.
        line: where the record is.
        column: the column.
        sourced_id: what it says.
        identifier: id of the row that it means.
    """

    row: int
    line: int
    column: str
    sourced_id: str
    identifier: str


class References:
    """The ids that the bundle has, and the references of the file that is being read.

    Files are read in an order in which one refers to earlier ones and to itself alone, so that what becomes
    of a file's records is settled when it has been read.

    Attributes:
        lines: by kind that has been read, its ids, with the line of each.
        missing: by kind, ids that are referred to, and neither in the bundle nor in the database.
        notes: see Reading.notes.
    """

    def __init__(
        self, entities: Iterable[Entity], database: Database, problems: Problems, source: str
    ) -> None:
        self.lines: dict[str, dict[str, int]] = {}
        self.missing: dict[str, set[str]] = defaultdict(set)
        self.notes: list[str] = []
        # kinds of which some ids are not known, so that a reference to one proves nothing
        self.unsure: set[str] = set()
        self._entities = {entity.kind: entity for entity in entities}
        self._database = database
        self._problems = problems
        self._source = source
        # row id by sourcedId, as the bundle writes it
        self._ids: dict[str, dict[str, str]] = defaultdict(dict)
        self._referred = {kind for entity in self._entities.values() for kind in entity.references.values()}
        self._dangling: list[_Reference] = []

    def begin(self, entity: Entity) -> None:
        """Begin with the records of a file."""
        self.lines[entity.kind] = {}
        self._dangling = []

    def identify(self, entity: Entity, sourced_id: str | None, line: int, *, is_sound: bool) -> str | None:
        """The id of the record's row; None where it has none of its own."""
        if sourced_id is None:
            self.unsure.add(entity.kind)
            return None
        identifier = row_id(entity.kind, sourced_id, self._source)
        # a skipped record does not exist for others; a reported one must not be reported as missing too
        if not is_sound and self._problems.skips_bad:
            return None
        first = self.lines[entity.kind].setdefault(identifier, line)
        if first == line:
            if entity.kind in self._referred:
                self._ids[entity.kind][sourced_id] = identifier
            return identifier
        self._problems.reject(
            entity.file_name,
            f"line {first} has the same sourcedId.",
            f"Each {entity.name} appears once in the file.",
            line=line,
            column="sourcedId",
            value=sourced_id,
        )
        return None

    def resolve(self, kind: str, sourced_id: str, column: str, row: int, line: int) -> str:
        """The id of the row that a reference means; what is not in the bundle is looked up by settle."""
        identifier = self._ids[kind].get(sourced_id)
        if identifier is None:
            identifier = row_id(kind, sourced_id, self._source)
            if identifier in self.lines.get(kind, ()):
                self._ids[kind][sourced_id] = identifier
            else:
                self._dangling.append(_Reference(row, line, column, sourced_id, identifier))
        return identifier

    def settle(self, entity: Entity) -> tuple[set[int], dict[str, set[int]]]:
        """Tell the references that lead nowhere, once the file has been read.

        Returns:
            The rows to leave out, and by column that may dangle the rows where it does.
        """
        rejected: set[int] = set()
        blanked: dict[str, set[int]] = defaultdict(set)
        by_kind: dict[str, list[_Reference]] = defaultdict(list)
        for reference in self._dangling:
            by_kind[entity.references[reference.column]].append(reference)
        for kind, references in by_kind.items():
            missing = self._missing(kind, {reference.identifier for reference in references})
            self.missing[kind] |= missing
            lost = [reference for reference in references if reference.identifier in missing]
            optional = [reference for reference in lost if reference.column in entity.may_dangle]
            for reference in optional:
                blanked[reference.column].add(reference.row)
            self._note(entity, kind, optional)
            needed = [reference for reference in lost if reference.column not in entity.may_dangle]
            rejected |= {reference.row for reference in needed}
            self._tell(entity, kind, needed)
        self._dangling = []
        return rejected, blanked

    def forget(self, entity: Entity, identifiers: Collection[str]) -> None:
        """Take it that records are not there, because they are skipped."""
        if self._problems.skips_bad:
            self.drop(entity, identifiers)

    def drop(self, entity: Entity, identifiers: Collection[str]) -> None:
        """Take it that records are not there, and what refers to them is to be told."""
        if not identifiers:
            return
        self.missing[entity.kind] |= set(identifiers)
        for identifier in identifiers:
            self.lines[entity.kind].pop(identifier, None)
        gone = set(identifiers)
        ids = self._ids[entity.kind]
        for sourced_id in [key for key, identifier in ids.items() if identifier in gone]:
            del ids[sourced_id]

    def ids_without_source(self, kind: str) -> dict[str, str]:
        """By id, the one that the record would have if no source were named, where that is another."""
        ids = {identifier: row_id(kind, sourced_id) for sourced_id, identifier in self._ids[kind].items()}
        return {identifier: plain for identifier, plain in ids.items() if identifier != plain}

    def _missing(self, kind: str, identifiers: set[str]) -> set[str]:
        """Those of the ids that are neither in the bundle nor in the database."""
        # a file may refer to its own later records
        known = self.lines.get(kind, {})
        missing = {identifier for identifier in identifiers if identifier not in known}
        table = self._entities[kind].table
        is_unsure = kind in self.unsure and not self._problems.skips_bad
        if not missing or is_unsure or not (table or kind in self.lines):
            return set()
        return missing - self._database.existing(table, missing) if table else missing

    def _tell(self, entity: Entity, kind: str, references: list[_Reference]) -> None:
        target = self._entities[kind]
        by_id: dict[str, list[_Reference]] = defaultdict(list)
        for reference in references:
            by_id[reference.identifier].append(reference)
        for alike in by_id.values():
            # if nothing is loaded, one problem for each id is enough; skipped records are reported one by one
            told = alike if self._problems.skips_bad else alike[:1]
            more = f" {len(alike) - 1:,} more records refer to it." if len(alike) > len(told) else ""
            for reference in told:
                self._problems.reject(
                    entity.file_name,
                    f"there is no such {target.name} in {target.file_name}"
                    f"{' and the database has none' if target.table else ''}.{more}",
                    f"Add the {target.name} to the bundle, or correct the reference."
                    + self._advice(kind, reference),
                    line=reference.line,
                    column=reference.column,
                    value=reference.sourced_id,
                )

    def _note(self, entity: Entity, kind: str, references: list[_Reference]) -> None:
        by_column: dict[str, list[_Reference]] = defaultdict(list)
        for reference in references:
            by_column[reference.column].append(reference)
        target = self._entities[kind]
        for column, alike in by_column.items():
            first = min(alike, key=lambda reference: reference.line)
            are = "reference leads" if len(alike) == 1 else "references lead"
            self.notes.append(
                f"{entity.file_name}, column {column}: {len(alike):,} {are} to no {target.name} and left "
                f"out, the first on line {first.line}: {shown(first.sourced_id)}." + self._advice(kind, first)
            )

    def _advice(self, kind: str, reference: _Reference) -> str:
        """What to say where several ids stand in one place."""
        parts = _split(reference.sourced_id)
        if len(parts) < 2 or not any(
            row_id(kind, part, self._source) in self.lines.get(kind, ()) for part in parts
        ):
            return ""
        if reference.column.endswith("s"):
            return " Lists take commas between their elements, in quotation marks."
        return " This column takes a single id."


def _split(text: str) -> list[str]:
    for separator in (";", "|", "/", "\u201c", "\u201d", " "):
        text = text.replace(separator, ",")
    return [part for part in (part.strip() for part in text.split(",")) if part]
