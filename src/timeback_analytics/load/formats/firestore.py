"""Firestore documents, as ROAR keeps them, out of the exports that people have."""

import csv
import io
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import ijson

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._firestore_spool import Spool
from timeback_analytics.load.formats._firestore_values import (
    as_json,
    check_text,
    document_path,
    moment,
    parse,
    plain,
    without_datatypes,
)
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import LoadError, MalformedError, Problem, Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.tables import Reading, TableRows

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv")
_RECORD_KEYS = frozenset(
    (
        *("path", "data", "update_time"),
        *("document_name", "document_id", "operation", "timestamp", "event_id", "old_data", "path_params"),
        *("name", "fields", "createTime", "updateTime"),
        *("document", "documents", "readTime", "nextPageToken", "done", "skippedResults", "transaction"),
    )
)
"""What a record may begin with; an object that begins with anything else is a nested export."""
_BELOW = ("__collections__", "subCollection")
"""Where a nested export has the collections below a document."""
_OPERATIONS = ("CREATE", "UPDATE", "IMPORT", "DELETE")
_ADVICE = "See timeback_analytics/load/README.md for the forms that are read."


class Firestore:
    """The format `firestore`."""

    name = "firestore"
    description = "Firestore documents, of the ROAR assessment"
    accepts = (
        "JSON lines, a nested JSON export, the REST interface's JSON, changelog rows; or a folder of them"
    )
    whole = None
    options = frozenset()

    def __init__(self) -> None:
        self.tables = {"roar_document": ("path", "data", "update_time")}

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
        if not files:
            wanted = ", ".join(_SUFFIXES)
            raise LoadError(str(path), [Problem(path.name, f"the folder has no file that ends in {wanted}.")])
        spool = Spool()
        for file in files:
            if not file.is_file():
                problems.add(file.name, "there is no such file or folder.")
                continue
            with (
                progress.step(f"Reading {file.name}", file.stat().st_size) as advance,
                file.open("rb") as raw,
            ):
                _File(file.name, raw, spool, problems, advance).read()
        spool.finish()
        notes = []
        if spool.replaced:
            notes.append(
                f"{spool.replaced:,} documents came more than once; of each path the newest counts, of two "
                "as old, or without a time, the one that came later."
            )
        deleted = spool.count_deleted()
        of_files = "1 file" if len(files) == 1 else f"{len(files):,} files"
        what = f"Firestore: {len(spool) - deleted:,} documents and {deleted:,} deletions out of {of_files}"
        rows = TableRows(
            "roar_document",
            ("path", "data", "update_time"),
            spool,
            key=("path",),
            newer_only=True,
            modified="update_time",
            tombstone="data",
        )
        return Reading(what, [rows], notes)


FORMAT = Firestore()


@contextmanager
def _full_disk_told(name: str) -> Iterator[None]:
    """What SQLite says, as a problem: nearly always that the temporary folder is full."""
    try:
        yield
    except sqlite3.Error as error:
        reason = f"its documents cannot be kept while they are read ({error})."
        remedy = "Make room in the temporary folder, or name another with TMPDIR."
        raise LoadError(name, [Problem(name, reason, remedy)]) from error


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


class _File:
    """One file, whose documents go into the spool as they are read."""

    def __init__(
        self,
        name: str,
        raw: IO[bytes],
        spool: Spool,
        problems: Problems,
        advance: Callable[[int], None],
    ) -> None:
        self._name = name
        self._raw = raw
        self._spool = spool
        self._problems = problems
        self._advance = advance
        self._start = 0

    def read(self) -> None:
        """Read it, in whatever form it is."""
        if self._raw.read(3) == b"\xef\xbb\xbf":
            self._start = 3
        self._rewind()
        if self._name.lower().endswith(".csv"):
            self._read_csv()
            return
        try:
            self._read_json()
        except (ijson.JSONError, ValueError) as error:
            # ijson shows the place in lines of its own
            reason = str(error).partition("\n")[0]
            self._problems.add(self._name, f"this is not JSON: {reason}.", "Export it again.")
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
            # a slip among the first of many lines is told as one of a line
            self._rewind()
            if not self._is_by_line():
                raise
            self._read_lines()
            return
        self._rewind()
        if first[0] == "start_array":
            self._read_items("item", "$[{}]")
        elif first[0] != "start_map":
            self._problems.add(self._name, "this is no document and no export of documents.", _ADVICE)
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

    def _counted(self) -> _Counted:
        return _Counted(self._raw, self._advance)

    # -- records --------------------------------------------------------------------------------------

    def _read_lines(self) -> None:
        for number, line in enumerate(self._raw, 1):
            if line.strip():
                try:
                    record = parse(line)
                except RecursionError:
                    self._problems.add(self._name, "the JSON is nested too deep.", line=number)
                except UnicodeDecodeError:
                    self._problems.add(self._name, "the line is not UTF-8.", "Save it as UTF-8.", line=number)
                except ValueError as error:
                    self._problems.add(self._name, f"this is not JSON: {error}.", line=number)
                else:
                    self._add(record, line=number)
            self._advance(len(line))

    def _read_items(self, prefix: str, place: str, **options: Any) -> None:
        items = ijson.items(self._counted(), prefix, use_float=True, **options)
        for number, record in enumerate(items):
            self._add(record, column=place.format(number))

    def _read_csv(self) -> None:
        csv.field_size_limit(sys.maxsize)
        text = io.TextIOWrapper(self._raw, encoding="utf-8-sig", newline="")
        rows = csv.DictReader(text, strict=True)
        try:
            for row in rows:
                self._add(row, line=rows.line_num)
        except UnicodeDecodeError:
            self._problems.add(self._name, "the file is not UTF-8.", "Save it as UTF-8.")
        except csv.Error as error:
            self._problems.add(self._name, f"this is no CSV: {error}.", line=rows.line_num)
        text.detach()

    def _add(self, record: Any, **place: Any) -> None:
        """Keep the document that a record is of; what is wrong with it is a problem of this place."""
        value = None
        try:
            found = _document(record)
            if found is not None:
                self._keep(*found)
        except MalformedError as error:
            if isinstance(record, dict):
                value = record.get("document_name") or record.get("name") or record.get("path")
            self._problems.add(
                self._name, error.reason, error.remedy, value=None if value is None else str(value), **place
            )

    def _keep(self, path: Any, data: dict[str, Any] | None, written_at: Any) -> None:
        path = document_path(path)
        check_text(path)
        self._spool.put(path, None if data is None else as_json(data), moment(written_at))

    # -- nested exports -------------------------------------------------------------------------------

    def _read_nested(self) -> None:
        events = ijson.basic_parse(self._counted(), use_float=True)
        next(events)
        for name, _ in _members(events):
            if name in _BELOW:
                self._read_collections(events, "")
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
                fields[name] = without_datatypes(_value(events, *next(events)))
        try:
            self._keep(path, fields, None)
        except MalformedError as error:
            self._problems.add(self._name, error.reason, error.remedy, value=path)

    def _opens(self, events: Iterator[tuple[str, Any]], path: str, what: str) -> bool:
        """Whether an object begins; anything else is a problem, and passed over."""
        event, value = next(events)
        if event == "start_map":
            return True
        _value(events, event, value)
        self._problems.add(
            self._name,
            f"{what} must be an object.",
            "A nested export has collections by name, in them documents by id. " + _ADVICE,
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


def _document(record: Any) -> tuple[Any, dict[str, Any] | None, Any] | None:
    """(path, fields, time) of a record; fields are None for a deletion. None for a record of nothing.

    Raises:
        MalformedError: it is no record of a document.
    """
    if not isinstance(record, dict):
        raise MalformedError("this is no document.", _ADVICE)
    if "document_name" in record:
        return _of_changelog(record)
    if isinstance(record.get("document"), dict):
        record = record["document"]
    if "name" in record and record.keys() & {"fields", "createTime", "updateTime"}:
        return record["name"], plain(record.get("fields", {})), record.get("updateTime")
    if "path" in record and "data" in record:
        return record["path"], _fields(record["data"]), record.get("update_time", record.get("updateTime"))
    if "readTime" in record or "nextPageToken" in record:
        return None
    raise MalformedError(
        "this is no document: it has neither path and data, nor name and fields, nor document_name and"
        " operation.",
        _ADVICE,
    )


def _of_changelog(record: dict[str, Any]) -> tuple[Any, dict[str, Any] | None, Any]:
    """A row of the raw changelog that the Firestore-to-BigQuery extension writes."""
    operation = record.get("operation")
    if operation not in _OPERATIONS:
        raise MalformedError(
            f"operation is {operation!r}, and must be one of {', '.join(_OPERATIONS)}.",
            "Export the raw changelog, with document_name, data, operation and timestamp.",
        )
    if record.get("timestamp") in (None, ""):
        raise MalformedError("the row has no timestamp, so nobody knows which one is the newest.")
    data = None if operation == "DELETE" else _fields(record.get("data"))
    return record["document_name"], data, record["timestamp"]


def _fields(data: Any) -> dict[str, Any]:
    """Fields as an object, or as the text of one."""
    if isinstance(data, str):
        try:
            data = parse(data)
        except (ValueError, RecursionError) as error:
            raise MalformedError(f"data is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise MalformedError("data must be an object, or the text of one.")
    return data
