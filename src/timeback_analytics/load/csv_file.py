"""Reading a CSV file of a standard: known columns in any order, every value checked, every problem noted."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from timeback_analytics.load.problems import MalformedError, Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.source import Files

_CHUNK = 2**20
_ROWS_A_TICK = 1_000
WHITE_SPACE = " \t\n\r\f\v"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Field:
    """A column that a reader wants.

    Attributes:
        name: its header, exactly.
        parse: makes the value of a cell that is not blank; raises MalformedError.
        header: whether a file without the column is refused.
        filled: whether a blank cell is refused; else its value is None.
    """

    name: str
    parse: Callable[[str], Any]
    header: bool = False
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file.

    Attributes:
        line: where it starts; the header is line 1.
        values: value by column, for the wanted columns that the file has; None where blank or malformed.
        sound: whether every value could be used.
    """

    line: int
    values: dict[str, Any]
    sound: bool


class CsvFile:
    """A CSV file as RFC 4180 and OneRoster have it: UTF-8, perhaps with a byte order mark, and a header.

    Attributes:
        name: its name.
        columns: the wanted columns that it has.
        readable: False when it could not be read to its end.
    """

    def __init__(
        self, files: Files, name: str, fields: Sequence[Field], problems: Problems, progress: Progress
    ) -> None:
        self.name = name
        self.columns: Collection[str] = frozenset()
        self.readable = True
        self._files = files
        self._fields = {field.name: field for field in fields}
        self._problems = problems
        self._progress = progress

    def __iter__(self) -> Iterator[Record]:
        lines = self._count_lines()
        if not self.readable:
            return
        with (
            self._files.open(self.name) as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text,
            self._progress.step(f"Reading {self.name}", lines) as advance,
        ):
            reader = csv.reader(text, strict=True)
            start = 1
            try:
                header = next(reader, None)
                wanted = self._read_header(header)
                if wanted is None:
                    self.readable = False
                    return
                start = reader.line_num + 1
                told = 0
                for cells in reader:
                    if cells:
                        yield self._record(start, cells, header, wanted)
                    start = reader.line_num + 1
                    if start - told >= _ROWS_A_TICK:
                        advance(start - told)
                        told = start
                advance(max(lines - told, 0))
            except csv.Error as error:
                self.readable = False
                self._problems.add(
                    self.name,
                    f"the record that starts here is no CSV ({error}).",
                    "Look for a quotation mark that is not closed, or not doubled inside a quoted value.",
                    line=start,
                )

    def _count_lines(self) -> int:
        """Lines of the file, which this finds to be UTF-8 or reports."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        lines = done = 0
        with self._files.open(self.name) as raw:
            while True:
                chunk = raw.read(_CHUNK)
                if not done and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    self.readable = False
                    self._problems.add(
                        self.name, "the file is encoded in UTF-16, not UTF-8.", "Save it as UTF-8."
                    )
                    return 0
                pending = decoder.getstate()[0]
                try:
                    decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    data = pending + chunk
                    self.readable = False
                    self._problems.add(
                        self.name,
                        f"the file is not UTF-8 (byte {done - len(pending) + error.start + 1:,}).",
                        "Save it as UTF-8; Excel calls that 'CSV UTF-8'.",
                        line=lines + data.count(b"\n", 0, error.start) + 1,
                        value=data[error.start : error.end].hex(" "),
                    )
                    return 0
                if not chunk:
                    return lines + 1
                lines += chunk.count(b"\n")
                done += len(chunk)

    def _read_header(self, header: list[str] | None) -> list[tuple[int, Field]] | None:
        """Place and field of each wanted column; None where the header is not good enough to go on."""
        if not header:
            self._problems.add(self.name, "the file is empty: it has not even a header.", line=1)
            return None
        names = [cell.strip(WHITE_SPACE) for cell in header]
        sound = True
        for name in sorted({name for name in names if names.count(name) > 1 and name in self._fields}):
            sound = False
            self._problems.add(self.name, "the header has this column more than once.", line=1, column=name)
        other_case = {name.lower(): name for name in names if name not in self._fields}
        for field in self._fields.values():
            if field.name in names:
                continue
            if field.name.lower() in other_case:
                sound = False
                self._problems.add(
                    self.name,
                    "the header writes it otherwise, and capitals matter in column names.",
                    f"Rename it to {field.name}.",
                    line=1,
                    column=field.name,
                    value=other_case[field.name.lower()],
                )
            elif field.header:
                sound = False
                self._problems.add(
                    self.name, "the column is missing, and it is a required one.", line=1, column=field.name
                )
        if not sound:
            return None
        wanted = [(place, self._fields[name]) for place, name in enumerate(names) if name in self._fields]
        self.columns = frozenset(field.name for _, field in wanted)
        return wanted

    def _record(
        self, line: int, cells: list[str], header: list[str], wanted: list[tuple[int, Field]]
    ) -> Record:
        self._problems.count(self.name)
        if len(cells) != len(header):
            self._problems.reject(
                self.name,
                f"the record has {len(cells)} values, and the header has {len(header)} columns.",
                "A comma may be missing, or stand in a value that is not quoted.",
                line=line,
            )
            return Record(line, dict.fromkeys(self.columns), sound=False)
        values = {}
        sound = True
        for place, field in wanted:
            cell = cells[place]
            value = None
            if "\0" in cell:
                sound = False
                self._problems.reject(
                    self.name, "the value holds a NUL character.", line=line, column=field.name, value=cell
                )
            elif cell.strip(WHITE_SPACE):
                try:
                    value = field.parse(cell)
                except MalformedError as error:
                    sound = False
                    self._problems.reject(
                        self.name, error.reason, error.remedy, line=line, column=field.name, value=cell
                    )
            elif field.filled:
                sound = False
                self._problems.reject(
                    self.name, "the value is empty, and it is a required one.", line=line, column=field.name
                )
            values[field.name] = value
        return Record(line, values, sound)


def as_text(cell: str) -> str:
    """The text as it stands."""
    return cell


def as_word(cell: str) -> str:
    """The text without white space around it."""
    return cell.strip(WHITE_SPACE)


def as_places(cell: str) -> list[str | None]:
    """The elements of a list with commas, each in its place, without white space around; None where blank."""
    return [part.strip(WHITE_SPACE) or None for part in cell.split(",")]


def as_list(cell: str) -> list[str]:
    """The elements of a list with commas, without white space around them; blank ones are left out."""
    words = [word for word in as_places(cell) if word]
    if not words:
        raise MalformedError("the list has nothing between its commas.")
    return words


def one_of(words: Collection[str], *, extensible: bool = False) -> Callable[[str], str]:
    """Parser for a fixed vocabulary; capitals do not matter, and the result is as the vocabulary has it.

    Args:
        words: the vocabulary.
        extensible: whether a term of somebody's own, which starts with 'ext:', is good too.
    """
    by_lower = {word.lower(): word for word in words}
    permitted = ", ".join(sorted(words)) + (", or a term that starts with ext:" if extensible else "")

    def parse(cell: str) -> str:
        word = as_word(cell)
        known = by_lower.get(word.lower())
        if known:
            return known
        if extensible and word.startswith("ext:") and len(word) > len("ext:"):
            return word
        raise MalformedError(
            "this is not one of the values of the standard.", f"It must be one of {permitted}."
        )

    return parse


def as_boolean(cell: str) -> bool:
    """True or false."""
    word = as_word(cell).lower()
    if word not in ("true", "false"):
        raise MalformedError("this is neither true nor false.")
    return word == "true"


@lru_cache(maxsize=2**14)
def as_date(cell: str) -> str:
    """A date, YYYY-MM-DD."""
    word = as_word(cell)
    if not _DATE.fullmatch(word):
        raise MalformedError("this is not a date of the form YYYY-MM-DD.")
    try:
        date.fromisoformat(word)
    except ValueError as error:
        raise MalformedError(f"there is no such date ({error}).") from None
    return word


def as_midnight(cell: str) -> str:
    """A date, as the instant at which it begins in UTC."""
    return f"{as_date(cell)}T00:00:00+00:00"


@lru_cache(maxsize=2**14)
def as_timestamp(cell: str) -> str:
    """An instant in ISO 8601 with its time zone, as UTC."""
    word = as_word(cell)
    form = _TIMESTAMP.fullmatch(word)
    if not form:
        raise MalformedError("this is not a timestamp of the form YYYY-MM-DDThh:mm:ss.sssZ.")
    if not form[3]:
        raise MalformedError("the timestamp has no time zone.", "Times in UTC end with Z.")
    try:
        return datetime.fromisoformat(word).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"there is no such time ({error}).") from None


def as_decimal(cell: str) -> str:
    """A number, with a decimal point where it has a fraction."""
    word = as_word(cell)
    if not _DECIMAL.fullmatch(word):
        raise MalformedError(
            "this is not a number.", "A number has digits and a decimal point, nothing else."
        )
    return word
