"""A file of Firestore documents, in whatever form it is."""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import ijson

from timeback_analytics.load.formats._firestore_records import ADVICE, Databases, document_of
from timeback_analytics.load.formats._firestore_spool import Spool
from timeback_analytics.load.formats._firestore_values import (
    as_json,
    check_text,
    document_path,
    is_tagged,
    moment,
    parse,
    without_tags,
)
from timeback_analytics.load.problems import MalformedError, Problems
from timeback_analytics.load.recognize import Recognized, what_is_json
from timeback_analytics.load.text_form import layout_of

_RECORD_KEYS = frozenset(
    (
        *("path", "data", "update_time"),
        *("document_name", "document_id", "operation", "timestamp", "event_id", "old_data", "path_params"),
        *("name", "fields", "createTime", "updateTime"),
        *("found", "missing", "__path__", "__id__", "__key__"),
        *("document", "documents", "readTime", "nextPageToken", "done", "skippedResults", "transaction"),
    )
)
"""What a record may begin with; an object that begins with anything else is a nested export."""
_CHANGELOG = ("document_name", "operation", "timestamp", "data", "path", "update_time", "__id__", "__path__")
_BELOW = ("__collections__", "subCollection")
"""Where a nested export has the collections below a document."""
_NESTED = "A nested export has collections by name, in them documents by id. "
_OF_ONE = "If this is an export of one collection, name it with --collection. "


class _Counted:
    """A file whose reader need not say how far it is."""

    def __init__(self, raw: IO[bytes], advance: Callable[[int], None]) -> None:
        self._raw = raw
        self._advance = advance

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes."""
        found = self._raw.read(size)
        self._advance(len(found))
        return found


class ExportFile:
    """One file, whose documents go into the spool as they are read."""

    def __init__(
        self,
        name: str,
        raw: IO[bytes],
        spool: Spool,
        problems: Problems,
        advance: Callable[[int], None],
        databases: Databases,
        collection: str | None,
    ) -> None:
        """Take the file, in UTF-8.

        Args:
            name: what it is called.
            raw: its bytes; it can be sought in.
            spool: where to keep its documents.
            problems: where to note what is wrong.
            advance: told how many bytes have been read since.
            databases: whose documents are wanted.
            collection: the collection that its documents are of, where they do not say it.
        """
        self._name = name
        self._raw = raw
        self._spool = spool
        self._problems = problems
        self._advance = advance
        self._databases = databases
        self._collection = collection
        self._start = 0

    def read(self, *, is_csv: bool) -> None:
        """Read it, in whatever form it is."""
        if self._raw.read(3) == b"\xef\xbb\xbf":
            self._start = 3
        self._rewind()
        if is_csv:
            self._read_csv()
            return
        try:
            self._read_json()
        except (ijson.JSONError, ValueError) as error:
            self._problems.add(self._name, f"this is not JSON: {_said(error)}.", "Export it again.")
        except RecursionError:
            self._problems.add(self._name, "the JSON is nested too deep.")

    def _rewind(self) -> None:
        self._raw.seek(self._start)

    def _read_json(self) -> None:
        if not self._raw.read(4096).strip():
            self._problems.add(self._name, "the file is empty.")
            return
        self._rewind()
        try:
            first, second, third = (*_first_events(self._raw), None, None, None)[:3]
        except ijson.JSONError:
            # an error in one of the first lines of JSON lines is reported for that line
            self._rewind()
            if not self._is_by_line():
                raise
            self._read_lines()
            return
        self._rewind()
        if first[0] == "start_map" and second[0] == "map_key":
            known = self._recognized(second[1])
            if known:
                self._problems.add(self._name, f"this is {known.what}.", known.remedy)
                return
        if first[0] == "start_array":
            self._read_items("item", "$[{}]")
        elif first[0] != "start_map":
            self._problems.add(self._name, "this is neither a document nor an export of documents.", ADVICE)
        elif second[1] in ("meta", "data") and self._is_firefoo():
            self._read_nested("data")
        elif second[0] == "end_map" or second[1] not in _RECORD_KEYS:
            self._read_nested()
        elif second[1] == "documents" and third and third[0] == "start_array":
            self._read_items("documents.item", "$.documents[{}]")
        elif self._is_by_line():
            self._read_lines()
        else:
            self._read_items("", "document {}", multiple_values=True)

    def _is_by_line(self) -> bool:
        """Whether the first line is JSON by itself."""
        line = self._raw.readline()
        self._rewind()
        try:
            parse(line)
        except (ValueError, RecursionError):
            return line.startswith(b"{") and line.rstrip().endswith(b"}")
        return True

    def _recognized(self, key: str) -> Recognized | None:
        """What the file is, where it is something else than its form makes it seem."""
        if key not in ("error", "CFDocument", "CFPackage"):
            return None
        text = self._raw.read(8192).decode(errors="replace")
        self._rewind()
        return what_is_json(text)

    def _is_firefoo(self) -> bool:
        """Whether the file is of Firefoo: an object of data, and perhaps meta, that is not a record."""
        keys = []
        depth = 0
        for event, value in ijson.basic_parse(_Counted(self._raw, lambda count: None)):
            depth += event in ("start_map", "start_array")
            depth -= event in ("end_map", "end_array")
            if event == "map_key" and depth == 1:
                keys.append(value)
            # data is the larger part, and comes last
            if keys and keys[-1] == "data":
                break
        self._rewind()
        return set(keys) <= {"meta", "data"} and (keys == ["meta", "data"] or not self._is_by_line_of_paths())

    def _is_by_line_of_paths(self) -> bool:
        """Whether the first record has a path beside its data."""
        found = next(ijson.items(_Counted(self._raw, lambda count: None), "path", multiple_values=True), None)
        self._rewind()
        return isinstance(found, str)

    def _counted(self) -> _Counted:
        return _Counted(self._raw, self._advance)

    # -- records --------------------------------------------------------------------------------------

    def _read_lines(self) -> None:
        for number, line in enumerate(self._raw, 1):
            if line.strip():
                try:
                    record = parse(line)
                except RecursionError:
                    self._refuse(number, "the JSON is nested too deep.")
                except UnicodeDecodeError:
                    self._refuse(number, "the line is not UTF-8.", "Save it as UTF-8.")
                except ValueError as error:
                    self._refuse(number, f"this is not JSON: {error}.")
                else:
                    self._add(record, line=number)
            self._advance(len(line))

    def _refuse(self, line: int, reason: str, remedy: str = "") -> None:
        self._problems.count(self._name)
        self._problems.reject(self._name, reason, remedy, line=line)

    def _read_items(self, prefix: str, place: str, **options: Any) -> None:
        items = ijson.items(self._counted(), prefix, use_float=True, **options)
        for number, record in enumerate(items):
            self._add(record, column=place.format(number))

    def _read_csv(self) -> None:
        csv.field_size_limit(sys.maxsize)
        text = io.TextIOWrapper(self._raw, encoding="utf-8-sig", newline="")
        layout = layout_of([text.readline()], _CHANGELOG)
        text.seek(0)
        rows = csv.DictReader(text, strict=True, delimiter=layout.separator)
        try:
            for row in rows:
                self._add(row, line=rows.line_num)
        except UnicodeDecodeError:
            self._problems.add(self._name, "the file is not UTF-8.", "Save it as UTF-8.")
        except csv.Error as error:
            self._problems.add(self._name, f"this is not a CSV: {error}.", line=rows.line_num)
        text.detach()

    def _add(self, record: Any, **place: Any) -> None:
        """Keep the document that a record is of; what is wrong with it is a problem of this place."""
        value = None
        try:
            found = document_of(record, self._collection)
            if found is not None:
                self._problems.count(self._name)
                self._keep(*found)
        except MalformedError as error:
            if isinstance(record, dict):
                value = record.get("document_name") or record.get("name") or record.get("path")
            self._problems.count(self._name)
            self._problems.reject(
                self._name,
                error.reason,
                error.remedy,
                value=None if value is None else str(value),
                record=place.get("line") or place.get("column"),
                **place,
            )

    def _keep(self, path: Any, data: dict[str, Any] | None, written_at: Any) -> None:
        if not self._databases.wants(path, self._name, self._problems):
            return
        path = document_path(path)
        check_text(path)
        self._spool.put(path, None if data is None else as_json(data), moment(written_at))

    # -- nested exports -------------------------------------------------------------------------------

    def _read_nested(self, within: str | None = None) -> None:
        """Collections by name, in them documents by id; with --collection, documents by id alone.

        Args:
            within: the member that has all of it.
        """
        events = ijson.basic_parse(self._counted(), use_float=True)
        next(events)
        if within is not None:
            for name, _ in _members(events):
                event, value = next(events)
                if name == within and event == "start_map":
                    break
                _value(events, event, value)
            else:
                return
        for name, _ in _members(events):
            if name in _BELOW:
                self._read_collections(events, "")
            elif self._collection:
                self._read_document(events, f"{self._collection}/{name}")
            else:
                self._read_collection(events, name)

    def _read_collections(self, events: Iterator[tuple[str, Any]], above: str) -> None:
        if not self._opens(events, above or "$", "the collections of"):
            return
        for name, _ in _members(events):
            # one kind of export writes the whole path here
            self._read_collection(events, name if name.startswith(above) else above + name)

    def _read_collection(self, events: Iterator[tuple[str, Any]], path: str) -> None:
        if not self._opens(events, path, "the collection"):
            return
        for name, _ in _members(events):
            self._read_document(events, f"{path}/{name}")

    def _read_document(self, events: Iterator[tuple[str, Any]], path: str) -> None:
        if not self._opens(events, path, "the document"):
            return
        fields = {}
        for name, _ in _members(events):
            if name in _BELOW:
                self._read_collections(events, f"{path}/")
            else:
                fields[name] = _value(events, *next(events))
        self._problems.count(self._name)
        if is_tagged(fields):
            reason = "this is a value with its type, and no document."
            self._problems.add(self._name, reason, _NESTED + _OF_ONE + ADVICE, value=path)
            return
        try:
            self._keep(path, without_tags(fields), None)
        except MalformedError as error:
            self._problems.reject(self._name, error.reason, error.remedy, value=path, record=path)

    def _opens(self, events: Iterator[tuple[str, Any]], path: str, what: str) -> bool:
        """Whether an object begins; anything else is reported as a problem and skipped."""
        event, value = next(events)
        if event == "start_map":
            return True
        _value(events, event, value)
        self._problems.add(
            self._name,
            f"{what} must be an object.",
            _NESTED + ("" if self._collection else _OF_ONE) + ADVICE,
            value=path,
        )
        return False


def _first_events(raw: IO[bytes]) -> list[tuple[str, Any]]:
    """At most three events, so that a form can be told by its beginning."""
    found = []
    for event in ijson.basic_parse(raw, use_float=True, multiple_values=True, buf_size=4096):
        found.append(event)
        if len(found) == 3:
            break
    return found


def _members(events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, None]]:
    """The names of an object that has begun; who takes one reads its value before the next."""
    for event, value in events:
        if event == "end_map":
            return
        yield value, None


def _value(events: Iterator[tuple[str, Any]], event: str, value: Any) -> Any:
    """The value that begins with an event."""
    if event == "start_map":
        return {name: _value(events, *next(events)) for name, _ in _members(events)}
    if event == "start_array":
        return [_value(events, *following) for following in _until_end(events)]
    return value


def _until_end(events: Iterator[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for following in events:
        if following[0] == "end_array":
            return
        yield following


def _said(error: Exception) -> str:
    """What a parser says, without the lines in which it shows the place, and without bytes."""
    text = error.args[0] if error.args else ""
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return text.partition("\n")[0].rstrip(". ") or "it ends too early"
