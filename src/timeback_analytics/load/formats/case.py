"""CASE framework packages (CFPackage, JSON, version 1.0): documents, items and subjects."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._subjects import Subjects
from timeback_analytics.load.identifiers import as_uuid
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import LoadError, Problem, Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.recognize import what_is
from timeback_analytics.load.tables import Owners, Reading, TableRows
from timeback_analytics.load.text_form import encoding_of
from timeback_analytics.load.values import WHITE_SPACE

# A national framework with every item and association takes some tens of megabytes.
MAX_BYTES = 512 * 2**20
_LISTED = 8
_KINDS = {str: "a text", list: "a list", dict: "an object"}


class Case:
    """The format `case`."""

    name = "case"
    description = "CASE framework package (CFPackage), version 1.0"
    accepts = "a JSON file, or a folder of them, read in the order of their names"
    whole = None
    options = frozenset()

    def __init__(self) -> None:
        self.tables = {
            "cf_document": ("identifier", "title"),
            "cf_subject": ("identifier", "title", "hierarchy_code", "description"),
            "cf_item": (
                "identifier",
                "cf_document_id",
                "full_statement",
                "human_coding_scheme",
                "cf_item_type",
            ),
            "cf_item_subject": ("cf_item_id", "subject_id"),
        }

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        files = _files(path)
        frameworks = _Frameworks()
        with progress.step("Reading frameworks", len(files)) as advance:
            for file in files:
                for package, place in _packages(_parse(file, problems)):
                    _Package(file.name, package, problems, place).add_to(frameworks)
                advance(1)
        return frameworks.finish(len(files), database)


FORMAT = Case()


class _Title(str):
    """A subject that is told by its title alone."""

    __slots__ = ()


@dataclass
class _Frameworks:
    """Rows by identifier; what a later file says of the same identifier replaces what an earlier one said.

    Attributes:
        documents: rows of cf_document.
        items: rows of cf_item.
        subjects: rows of cf_subject, of subjects that a package defines.
        mentioned: title by identifier, of subjects that are referred to.
        item_subjects: subjects by item, for the items whose subjects are told.
    """

    documents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    items: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    subjects: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    mentioned: dict[str, str] = field(default_factory=dict)
    item_subjects: dict[str, list[str]] = field(default_factory=dict)

    def finish(self, files: int, database: Database) -> Reading:
        """The rows to write."""
        notes = []
        stored = database.existing("cf_subject", set(self.mentioned) - set(self.subjects), "identifier")
        self._name_subjects(database, notes)
        defined = {*self.subjects, *stored}
        undefined = {key: title for key, title in self.mentioned.items() if key not in defined}
        for identifier, title in undefined.items():
            self.subjects[identifier] = identifier, title, title, None
        if undefined:
            notes.append(
                f"{len(undefined):,} subjects that items refer to are defined nowhere; "
                f"their titles serve as hierarchy codes: {', '.join(sorted(set(undefined.values())))}."
            )
        pairs = [(item, subject) for item, subjects in self.item_subjects.items() for subject in subjects]
        tables = [
            _rows("cf_document", ("identifier", "title"), self.documents),
            _rows("cf_subject", ("identifier", "title", "hierarchy_code", "description"), self.subjects),
            _rows("cf_item", FORMAT.tables["cf_item"], self.items),
            TableRows(
                "cf_item_subject",
                ("cf_item_id", "subject_id"),
                pairs,
                key=("cf_item_id", "subject_id"),
                mode="set",
                owners=Owners("cf_item_id", list(self.item_subjects)),
            ),
        ]
        what = (
            f"CASE: {len(self.documents):,} frameworks with {len(self.items):,} items out of {files:,} files"
        )
        return Reading(what, tables, notes)

    def _name_subjects(self, database: Database, notes: list[str]) -> None:
        """Put identifiers in place of the titles of subjects: defined here, stored, or new ones."""
        titles = {subject for subjects in self.item_subjects.values() for subject in subjects}
        titles = {title for title in titles if isinstance(title, _Title)}
        if not titles:
            return
        here = {row[1].casefold(): row[0] for row in reversed(self.subjects.values())}
        known = Subjects(database)
        found = {
            title: here.get(title.casefold()) or known.find(str(title), None) for title in sorted(titles)
        }
        for identifier, title, code in known.new.values():
            self.subjects[identifier] = identifier, title, code, None
        if known.new:
            made = ", ".join(sorted(title for _, title, _ in known.new.values()))
            notes.append(f"{len(known.new):,} subjects are known by their titles alone: {made}.")
        for item, subjects in self.item_subjects.items():
            named = [found[one] if isinstance(one, _Title) else one for one in subjects]
            self.item_subjects[item] = list(dict.fromkeys(named))


def _files(path: Path) -> list[Path]:
    """The file, or those of a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    found = sorted(path.iterdir())
    # a Mac leaves a copy ._x.json of each file's attributes
    files = [file for file in found if file.name.lower().endswith(".json") and not file.name.startswith(".")]
    if not files:
        there = ", ".join(file.name for file in found[:_LISTED]) or "nothing"
        reason = "the folder has no file named *.json."
        raise LoadError(str(path), [Problem(path.name, reason, f"There is {there}.")])
    return files


def _packages(read: Any) -> list[tuple[Any, str]]:
    """The packages of a file, each with its path: one, one in an object CFPackage, or a list of either."""
    if read is None:
        return []
    if isinstance(read, list) and read:
        return [
            (package, f"$[{number}]{path[1:]}")
            for number, one in enumerate(read)
            for package, path in _packages(one) or [(one, "$")]
        ]
    if isinstance(read, dict) and isinstance(read.get("CFPackage"), dict):
        return [(read["CFPackage"], "$.CFPackage")]
    return [(read, "$")]


def _rows(table: str, columns: tuple[str, ...], rows: dict[str, tuple[str | None, ...]]) -> TableRows:
    return TableRows(table, columns, list(rows.values()), key=("identifier",))


def _parse(file: Path, problems: Problems) -> Any:
    """What the JSON holds; None where it is not JSON, which is reported."""
    if not file.exists():
        problems.add(file.name, "there is no such file or folder.")
        return None
    size = file.stat().st_size
    if size > MAX_BYTES:
        problems.add(file.name, f"the file has {size:,} bytes; a framework has at most {MAX_BYTES:,}.")
        return None
    data = file.read_bytes()
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        problems.add(
            file.name,
            f"the file is not UTF-8 (byte {error.start + 1:,}).",
            "It is in UTF-16. Save it as UTF-8."
            if encoding_of(data[:1024]).startswith("utf-16")
            else "Save it as UTF-8.",
            line=data.count(b"\n", 0, error.start) + 1,
        )
    except json.JSONDecodeError as error:
        known = what_is(file)
        is_json = known is None or "JSON" in known.what or "CASE" in known.what
        but = "" if is_json else f", but {known.what}"
        problems.add(
            file.name,
            f"this is not JSON{but}: {error.msg} (column {error.colno}).",
            "" if is_json else known.remedy,
            line=error.lineno,
        )
    except RecursionError:
        problems.add(file.name, "the JSON is nested too deep.")
    return None


class _Package:
    """One CFPackage, checked as it is read."""

    def __init__(self, file: str, package: Any, problems: Problems, path: str) -> None:
        self._file = file
        self._path = path
        # the item whose problems are its own
        self._item: str | None = None
        self._package = package
        self._problems = problems
        self._paths: dict[str, dict[str, str]] = defaultdict(dict)

    def add_to(self, frameworks: _Frameworks) -> None:
        """Add the package's rows."""
        if not isinstance(self._package, dict) or not isinstance(self._package.get("CFDocument"), dict):
            self._tell(
                "this is not a CFPackage: it has no object CFDocument.",
                "Export the package of a framework, not its document or its items.",
                column=f"{self._path}.CFDocument",
            )
            return
        document = self._package["CFDocument"]
        document_id = self._identifier(document, f"{self._path}.CFDocument", "document")
        title = self._text(document, f"{self._path}.CFDocument", "title", required=True)
        if document_id and title:
            frameworks.documents[document_id] = document_id, title
        titles = self._add_subjects(frameworks)
        document_subjects = self._subjects_of(document, f"{self._path}.CFDocument", titles, frameworks)
        for item, path in self._objects(self._package, self._path, "CFItems"):
            self._item = path
            self._problems.count(self._file)
            told = self._problems.total
            item_id = self._identifier(item, path, "item")
            statement = self._text(item, path, "fullStatement", required=True)
            code = self._text(item, path, "humanCodingScheme")
            item_type = self._text(item, path, "CFItemType") or self._type_by_link(item, path)
            subjects = self._subjects_of(item, path, titles, frameworks)
            self._item = None
            if item_id and statement and self._problems.total == told:
                frameworks.items[item_id] = item_id, document_id, statement, code, item_type
                subjects = document_subjects if subjects is None else subjects
                if subjects is None:
                    frameworks.item_subjects.pop(item_id, None)
                else:
                    frameworks.item_subjects[item_id] = subjects

    def _add_subjects(self, frameworks: _Frameworks) -> dict[str, str]:
        """Add the subjects that the package defines; their identifiers by title."""
        definitions = self._value(self._package, self._path, "CFDefinitions", dict) or {}
        by_title = {}
        for subject, path in self._objects(definitions, f"{self._path}.CFDefinitions", "CFSubjects"):
            subject_id = self._identifier(subject, path, "subject")
            title = self._text(subject, path, "title", required=True)
            code = self._text(subject, path, "hierarchyCode", required=True)
            description = self._text(subject, path, "description")
            if subject_id and title and code:
                frameworks.subjects[subject_id] = subject_id, title, code, description
                by_title.setdefault(title, subject_id)
        return by_title

    def _subjects_of(
        self, thing: dict[str, Any], path: str, titles: dict[str, str], frameworks: _Frameworks
    ) -> list[str] | None:
        """The subjects of a document or an item; None where it does not speak of subjects."""
        links = list(self._objects(thing, path, "subjectURI"))
        names = self._value(thing, path, "subject", list) or []
        named = [
            titles.get(name.strip(), _Title(" ".join(name.split())))
            for name in names
            if isinstance(name, str) and name.strip(WHITE_SPACE) and "\0" not in name
        ]
        if thing.get("subjectURI") is None and not named:
            return None
        found = []
        for link, link_path in links:
            subject_id = self._identifier(link, link_path)
            title = self._text(link, link_path, "title", required=True)
            if subject_id and title:
                found.append(subject_id)
                frameworks.mentioned[subject_id] = title
        return list(dict.fromkeys(found if links else named))

    def _type_by_link(self, item: dict[str, Any], path: str) -> str | None:
        link = self._value(item, path, "CFItemTypeURI", dict)
        return self._text(link, f"{path}.CFItemTypeURI", "title") if link else None

    def _objects(self, parent: dict[str, Any], path: str, name: str) -> Iterator[tuple[dict[str, Any], str]]:
        """The objects of a list, each with its path; a missing or null list is empty."""
        for number, element in enumerate(self._value(parent, path, name, list) or []):
            element_path = f"{path}.{name}[{number}]"
            if isinstance(element, dict):
                yield element, element_path
            else:
                self._tell("this must be an object.", column=element_path, value=json.dumps(element))

    def _identifier(self, thing: dict[str, Any], path: str, kind: str = "") -> str | None:
        """The identifier, which within a kind no two things of the package share."""
        # TimeBack's platform serves it under OneRoster's name
        name = "sourcedId" if thing.get("identifier") is None and "sourcedId" in thing else "identifier"
        text = self._text(thing, path, name, required=True)
        if text is None:
            return None
        place = f"{path}.{name}"
        identifier = as_uuid(text.strip(WHITE_SPACE))
        if identifier is None:
            self._tell("this is not a UUID, as CASE wants.", column=place, value=text)
        elif kind and identifier in self._paths[kind]:
            first = self._paths[kind][identifier]
            self._tell(f"{first} has the same identifier.", column=place, value=text)
            return None
        elif kind:
            self._paths[kind][identifier] = place
        return identifier

    def _text(self, thing: dict[str, Any], path: str, name: str, *, required: bool = False) -> str | None:
        """A text; None where it is missing, null or blank."""
        text = self._value(thing, path, name, str)
        place = f"{path}.{name}"
        if text is None or not text.strip(WHITE_SPACE):
            if required and (text is not None or thing.get(name) is None):
                self._tell("this is missing or empty, and it is a required one.", column=place)
            return None
        # JSON can escape what neither UTF-8 nor PostgreSQL can hold
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self._tell("the text holds a NUL or half of a surrogate pair.", column=place, value=text)
            return None
        return text

    def _tell(self, reason: str, remedy: str = "", *, column: str, value: str | None = None) -> None:
        """Note a problem: one of an item is no reason to leave others out."""
        if self._item is None:
            self._problems.add(self._file, reason, remedy, column=column, value=value)
        else:
            self._problems.reject(self._file, reason, remedy, column=column, value=value, record=self._item)

    def _value(self, thing: dict[str, Any], path: str, name: str, kind: type) -> Any:
        value = thing.get(name)
        if value is None or isinstance(value, kind):
            return value
        self._tell(f"this must be {_KINDS[kind]}.", column=f"{path}.{name}", value=json.dumps(value))
        return None
