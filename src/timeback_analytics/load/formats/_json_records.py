"""Records out of files of JSON, as people keep them: one after the other, however large the file is."""

import codecs
import gzip
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import ijson

from timeback_analytics.load.problems import LoadError, Problem, Problems
from timeback_analytics.load.progress import Progress

SUFFIXES = (".json", ".jsonl", ".ndjson")
_GZIP = b"\x1f\x8b"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# A first line that is longer is taken for a document on one line.
_LONGEST_FIRST_LINE = 8 * 2**20
_RECORDS_A_TICK = 500


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        value: what the JSON holds.
        file: name of its file, below the folder that was given.
        line: its line, where the file is one of JSON lines.
        column: else its path, such as $.data[3].
        outer: the members of the object whose list it stood in, without that list; empty where there is none.
    """

    value: Any
    file: str
    line: int | None
    column: str | None
    outer: dict[str, Any] = field(default_factory=dict)

    def refuse(
        self, problems: Problems, reason: str, remedy: str = "", *, at: str = "", value: str | None = None
    ) -> None:
        """Note what is wrong with it; at is the path of the value inside it."""
        column = self.column
        if at:
            column = f"{column or '$'}.{at}"
        place = (self.line, self.column)
        problems.reject(self.file, reason, remedy, line=self.line, column=column, value=value, record=place)


def json_files(path: Path) -> list[Path]:
    """The file, or in the order of their names all files of JSON in a folder and the folders in it.

    Raises:
        LoadError: there is none.
    """
    if path.is_dir():
        found = sorted(
            file
            for file in path.rglob("*")
            if file.is_file()
            and not file.name.startswith(".")
            and "__MACOSX" not in file.parts
            and file.name.lower().removesuffix(".gz").endswith(SUFFIXES)
        )
        if not found:
            wanted = ", ".join(SUFFIXES)
            reason = f"the folder has no file that ends in {wanted}, or in one of these and .gz."
            raise LoadError(str(path), [Problem(path.name, reason)])
        return found
    if not path.is_file():
        raise LoadError(str(path), [Problem(path.name, "there is no such file or folder.")])
    if zipfile.is_zipfile(path):
        raise LoadError(
            str(path),
            [Problem(path.name, "this is a zip.", "Unpack it, and load the folder that comes out.")],
        )
    return [path]


def read_records(
    path: Path, lists: Collection[str], problems: Problems, progress: Progress, *, mark: str | None = None
) -> Iterator[Record]:
    """The records of a file or a folder: of JSON lines, arrays, and objects that hold a list of them.

    Files may be compressed with gzip, and in UTF-8 or UTF-16. What is not JSON is noted as a problem.

    Args:
        path: the file or the folder.
        lists: members whose list holds the records, such as data of an envelope.
        problems: where to note what cannot be read.
        progress: told how far it is.
        mark: a member that says of an object that it is a record, whatever lists it has.

    Raises:
        LoadError: there is no file.
    """
    for file in json_files(path):
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        with progress.step(f"Reading {file.name}", file.stat().st_size) as advance, file.open("rb") as raw:
            try:
                with _plain(raw) as plain:
                    yield from _counted(
                        _File(name, plain, lists, problems, mark).records(), raw, problems, advance
                    )
            except (OSError, EOFError, zlib.error) as error:
                if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
                    raise
                problems.add(name, f"the gzip file is damaged ({error}).", "Copy or export it again.")


def _counted(
    records: Iterator[Record], raw: IO[bytes], problems: Problems, advance: Callable[[int], None]
) -> Iterator[Record]:
    """The same, counted, and telling how far the file itself has been read."""
    told = 0
    for number, record in enumerate(records, 1):
        problems.count(record.file)
        yield record
        if number % _RECORDS_A_TICK == 0:
            place = raw.tell()
            # a file is gone back in when its form is looked at
            if place > told:
                advance(place - told)
                told = place
    advance(max(raw.seek(0, 2) - told, 0))


@contextmanager
def _plain(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file without compression, in UTF-8."""
    is_gzip = raw.read(2) == _GZIP
    raw.seek(0)
    opened: Any = gzip.GzipFile(fileobj=raw) if is_gzip else raw
    is_utf_16 = opened.read(2) in _UTF_16
    opened.seek(0)
    if not is_utf_16:
        yield opened
        return
    with tempfile.TemporaryFile() as recoded:
        shutil.copyfileobj(codecs.EncodedFile(opened, "utf-8", "utf-16", errors="replace"), recoded)
        recoded.seek(0)
        yield recoded


class _File:
    """One file, in whatever form it is."""

    def __init__(
        self, name: str, raw: IO[bytes], lists: Collection[str], problems: Problems, mark: str | None
    ) -> None:
        self._mark = mark
        self._name = name
        self._raw = raw
        self._lists = lists
        self._problems = problems
        self._start = 3 if raw.read(3) == codecs.BOM_UTF8 else 0
        self._rewind()

    def _rewind(self) -> None:
        self._raw.seek(self._start)

    def records(self) -> Iterator[Record]:
        """The records."""
        if not self._raw.read(4096).strip():
            self._problems.add(self._name, "the file is empty.")
            return
        self._rewind()
        try:
            yield from self._lines() if self._is_by_line() else self._document()
        except (ijson.JSONError, ValueError) as error:
            # ijson shows the place in lines of its own
            reason = str(error).partition("\n")[0]
            self._problems.add(self._name, f"this is not JSON: {reason}.", "Export it again.")
        except RecursionError:
            self._problems.add(self._name, "the JSON is nested too deep.")

    def _is_by_line(self) -> bool:
        """Whether the first line that is not blank is JSON by itself, or looks like it and is broken."""
        line = self._raw.readline(_LONGEST_FIRST_LINE)
        while line and not line.strip():
            line = self._raw.readline(_LONGEST_FIRST_LINE)
        self._rewind()
        if len(line) == _LONGEST_FIRST_LINE:
            return False
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            return line.startswith(b"{") and line.rstrip().endswith(b"}")
        return True

    def _lines(self) -> Iterator[Record]:
        for number, line in enumerate(self._raw, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except RecursionError:
                self._refuse_line(number, "the JSON is nested too deep.")
            except UnicodeDecodeError:
                self._refuse_line(number, "the line is not UTF-8.", "Save it as UTF-8.")
            except ValueError as error:
                self._refuse_line(number, f"this is not JSON: {error}.")
            else:
                yield from self._unpacked(value, number, None)

    def _refuse_line(self, number: int, reason: str, remedy: str = "") -> None:
        self._problems.count(self._name)
        self._problems.reject(self._name, reason, remedy, line=number)

    def _unpacked(self, value: Any, line: int | None, column: str | None) -> Iterator[Record]:
        """The records of a value: itself, or what its list holds."""
        if isinstance(value, list):
            for number, element in enumerate(value):
                yield from self._unpacked(element, line, f"{column or '$'}[{number}]")
            return
        name = self._list_of(value)
        if name is None:
            yield Record(value, self._name, line, column)
            return
        outer = {key: member for key, member in value.items() if key != name}
        for number, element in enumerate(value[name]):
            yield Record(element, self._name, line, f"{column or '$'}.{name}[{number}]", outer)

    def _list_of(self, value: Any) -> str | None:
        if not isinstance(value, dict) or self._mark in value:
            return None
        return next((name for name in self._lists if isinstance(value.get(name), list)), None)

    def _document(self) -> Iterator[Record]:
        outer: dict[str, Any] = {}
        found = self._find_list(outer)
        self._rewind()
        if found is None:
            for number, value in enumerate(self._items("", multiple_values=True)):
                yield from self._unpacked(value, None, f"document {number + 1}" if number else None)
        elif found == "item":
            for number, value in enumerate(self._items("item")):
                yield from self._unpacked(value, None, f"$[{number}]")
        else:
            for number, value in enumerate(self._items(f"{found}.item")):
                yield Record(value, self._name, None, f"$.{found}[{number}]", outer)

    def _items(self, prefix: str, **options: Any) -> Iterator[Any]:
        return ijson.items(self._raw, prefix, use_float=True, **options)

    def _find_list(self, outer: dict[str, Any]) -> str | None:
        """Where the records are: item, the name of a list, or None for documents one after the other.

        The members beside the list are noted in outer. Those after the list are not worth a second
        reading of a file when the object has begun with others.
        """
        key = found = None
        depth = 0
        for event, value in ijson.basic_parse(self._raw, use_float=True, multiple_values=True):
            if event in ("start_map", "start_array"):
                depth += 1
                if event == "start_array" and depth == 1:
                    return "item"
                if event == "start_array" and depth == 2 and key in self._lists:
                    if outer and self._mark is None:
                        return key
                    found = key
            elif event in ("end_map", "end_array"):
                depth -= 1
                if depth == 0:
                    return None if self._mark in outer else found
            elif depth == 1 and event == "map_key":
                key = value
            elif depth == 1 and key is not None:
                outer[key] = value
        return found
