"""Reading a CSV file of a standard: known columns in any order, every value checked, every problem noted."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from timeback_analytics.load.headers import near_names
from timeback_analytics.load.problems import MalformedError, Problems, shown
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.source import Files
from timeback_analytics.load.text_form import END_OF_FILE, EncodingError, Layout, examine, layout_of
from timeback_analytics.load.values import WHITE_SPACE, Noted

_ROWS_A_TICK = 1_000
_REMEMBERED = 2**14
_AT_END = re.compile(f"{END_OF_FILE}+\\s*$")
# so many records show whether all of them end with separators that the header does not have
_SAMPLE = 20


@dataclass(frozen=True)
class Field:
    """A column that a reader wants.

    Attributes:
        name: its header, exactly.
        parse: makes the value of a cell that is not blank; raises MalformedError. The same cell has always
            the same value.
        header: whether a file without the column is refused.
        filled: whether a blank cell is refused; else its value is None.
    """

    name: str
    parse: Callable[[str], Any]
    header: bool = False
    filled: bool = False


@dataclass(slots=True)
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
    """A CSV file as RFC 4180 and OneRoster have it, and as people's programs write it.

    UTF-8 or UTF-16, or the encoding that the user names; separated by commas, or by semicolons, tabs or
    bars where the header shows that; blank lines, lines of separators alone and a Ctrl-Z at the end carry
    nothing; what a short record lacks at its end is blank, and what it has too much must be.

    Attributes:
        name: its name.
        columns: the wanted columns that it has.
        readable: False when it could not be read to its end.
        notes: what was made of values and columns that are not quite as they should be; complete at the end.
    """

    def __init__(
        self,
        files: Files,
        name: str,
        fields: Sequence[Field],
        problems: Problems,
        progress: Progress,
        *,
        encoding: str | None = None,
        standard: Collection[str] = (),
        excused: Callable[[dict[str, Any]], bool] | None = None,
        is_counted: bool = True,
    ) -> None:
        """Nothing is read before the iteration.

        Args:
            files: where it is.
            name: its name.
            fields: the columns that are wanted.
            problems: where to note what is wrong.
            progress: told how far it is.
            encoding: what the user says of it.
            standard: other columns that the standard has, which are not a misspelling of a wanted one.
            excused: says of a record's values whether its required ones may be blank.
            is_counted: whether its records are among those of which a share may be left out.
        """
        self.name = name
        self.columns: Collection[str] = frozenset()
        self.readable = True
        self.notes: list[str] = []
        self._files = files
        self._fields = {field.name: field for field in fields}
        self._problems = problems
        self._progress = progress
        self._encoding = encoding
        self._standard = frozenset(standard)
        self._excused = excused
        self._is_counted = is_counted
        self._noted: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], int] = {}
        self._short = 0
        self._start = 1
        self._records = 0

    def __iter__(self) -> Iterator[Record]:
        try:
            form = examine(lambda: self._files.open(self.name), self._encoding)
        except EncodingError as error:
            self.readable = False
            self._problems.add(self.name, error.reason, error.remedy, line=error.line)
            return
        with (
            self._files.open(self.name) as raw,
            io.TextIOWrapper(raw, encoding=form.encoding, newline="") as text,
            self._progress.step(f"Reading {self.name}", form.lines) as advance,
        ):
            layout = self._layout(form.encoding)
            lines: Iterator[str] = islice(text, layout.skipped, None)
            if form.is_ended:
                lines = (_AT_END.sub("", line) for line in lines)
            reader = csv.reader(lines, strict=True, delimiter=layout.separator)
            yield from self._read(reader, layout, form.lines, advance)
        if self._is_counted:
            self._problems.count(self.name, self._records)
        self._finish_notes()

    def _layout(self, encoding: str) -> Layout:
        with self._files.open(self.name) as raw, io.TextIOWrapper(raw, encoding=encoding) as text:
            lines = [text.readline(2**16) for _ in range(2)]
        return layout_of(lines, [*self._fields, *self._standard])

    def _read(
        self, reader: Any, layout: Layout, lines: int, advance: Callable[[int], None]
    ) -> Iterator[Record]:
        skipped = layout.skipped
        told = self._start = 1 + skipped
        try:
            header = next((cells for cells in reader if not _is_blank(cells)), None)
            raw_width = len(header or ())
            wanted = self._read_header(header, layout, max(reader.line_num + skipped, 1))
            if wanted is None:
                self.readable = False
                return
            width = len(header)
            records = self._numbered(reader, skipped)
            sample = list(islice(records, _SAMPLE))
            widest = max(raw_width, min((len(cells) for _, cells in sample), default=0))
            for start, cells in chain(sample, records):
                self._records += 1
                if len(cells) == width or self._fits(start, cells, width, widest):
                    yield self._record(start, cells, wanted)
                else:
                    yield Record(start, dict.fromkeys(self.columns), sound=False)
                if start - told >= _ROWS_A_TICK:
                    advance(start - told)
                    told = start
            advance(max(lines - told, 0))
        except csv.Error as error:
            self.readable = False
            self._problems.add(
                self.name,
                f"the record that starts here is not a CSV ({error}).",
                "Look for a quotation mark that is not closed, or not doubled inside a quoted value.",
                line=self._start,
            )

    def _numbered(self, reader: Any, skipped: int) -> Iterator[tuple[int, list[str]]]:
        """The records that are not blank, each with the line where it starts."""
        self._start = start = reader.line_num + skipped + 1
        for cells in reader:
            if cells and (cells[0] or any(cells)) and (cells[0].strip(WHITE_SPACE) or not _is_blank(cells)):
                yield start, cells
            self._start = start = reader.line_num + skipped + 1

    def _read_header(self, header: list[str] | None, layout: Layout, line: int) -> list[tuple] | None:
        """Place, field and known values of each wanted column; None where the header is not good enough."""
        while header and not header[-1].strip(WHITE_SPACE):
            # commas at the end carry nothing
            header.pop()
        if not header:
            self._problems.add(self.name, "the file is empty: it has not even a header.", line=line)
            return None
        names = [cell.strip(WHITE_SPACE) for cell in header]
        if not self._check_header(names, layout, line):
            return None
        found = [(place, self._fields[name]) for place, name in enumerate(names) if name in self._fields]
        self.columns = frozenset(field.name for _, field in found)
        return [
            # a blank that may be has the value None
            (place, field.name, field, {} if field.filled else {"": None})
            for place, field in found
        ]

    def _check_header(self, names: list[str], layout: Layout, line: int) -> bool:
        lower = {name.lower() for name in (*self._fields, *self._standard)}
        if not any(name.lower() in lower for name in names):
            wanted = ", ".join(
                [field.name for field in self._fields.values() if field.header] or self._fields
            )
            self._problems.add(
                self.name,
                f"this line, read as separated by {layout.name}, has no column name of such a file.",
                f"The first line must be a header, with {wanted}.",
                line=line,
                value=",".join(names),
            )
            return False
        sound = True
        for name in sorted({name for name in names if names.count(name) > 1 and name in self._fields}):
            sound = False
            self._problems.add(
                self.name, "the header has this column more than once.", line=line, column=name
            )
        unread = [name for name in names if name not in self._fields and name not in self._standard]
        other_case = {name.lower(): name for name in unread}
        near = near_names([name for name in self._fields if name not in names], unread)
        has = f"The header, separated by {layout.name}, has {', '.join(names)}."
        for field in self._fields.values():
            if field.name in names:
                continue
            if field.name.lower() in other_case:
                sound = False
                self._problems.add(
                    self.name,
                    "the header writes it otherwise, and capitals matter in column names.",
                    f"Rename it to {field.name}.",
                    line=line,
                    column=field.name,
                    value=other_case[field.name.lower()],
                )
            elif field.header:
                sound = False
                hint = f"Is it {near[field.name]}? Rename it then. " if field.name in near else ""
                self._problems.add(
                    self.name,
                    "the column is missing, and it is a required one.",
                    hint + has,
                    line=line,
                    column=field.name,
                )
            elif field.name in near:
                self.notes.append(
                    f"{self.name} has no column {field.name}, but one named {shown(near[field.name])}, which "
                    "was not read. If it is that one, rename it and load again."
                )
        return sound

    def _fits(self, line: int, cells: list[str], width: int, widest: int) -> bool:
        """Fill a short record up, and cut blank cells off a long one; False where it has too much.

        A record that alone is longer than others has a separator inside a value.
        """
        if len(cells) < width:
            self._short += 1
            self._first.setdefault(("", "short"), line)
            cells.extend([""] * (width - len(cells)))
            return True
        if len(cells) > widest or not _is_blank(cells[width:]):
            self._problems.reject(
                self.name,
                f"the record has {len(cells)} values, and the header has {width} columns.",
                "A separator may stand in a value that is not quoted.",
                line=line,
            )
            return False
        del cells[width:]
        return True

    def _record(self, line: int, cells: list[str], wanted: list[tuple]) -> Record:
        values = {}
        blank = None
        sound = True
        for place, name, field, known in wanted:
            cell = cells[place]
            try:
                values[name] = known[cell]
                continue
            except KeyError:
                pass
            values[name] = None
            if "\0" in cell:
                sound = False
                self._reject(line, name, "the value holds a NUL character.", value=cell)
            elif cell.strip(WHITE_SPACE):
                try:
                    value = field.parse(cell)
                except MalformedError as error:
                    sound = False
                    self._reject(line, name, error.reason, error.remedy, value=cell)
                    continue
                if type(value) is Noted:
                    # not remembered, so that each is counted
                    self._note(name, value.note, line)
                    value = value.value
                elif len(known) < _REMEMBERED:
                    known[cell] = value
                values[name] = value
            elif field.filled:
                blank = [*(blank or ()), name]
        if blank and not (self._excused and self._excused(values)):
            sound = False
            for name in blank:
                self._reject(line, name, "the value is empty, and it is a required one.")
        return Record(line, values, sound)

    def _reject(
        self, line: int, column: str, reason: str, remedy: str = "", value: str | None = None
    ) -> None:
        self._problems.reject(self.name, reason, remedy, line=line, column=column, value=value)

    def _note(self, column: str, note: str, line: int) -> None:
        self._noted[column, note] += 1
        self._first.setdefault((column, note), line)

    def _finish_notes(self) -> None:
        for (column, note), count in self._noted.items():
            self.notes.append(
                f"{count:,} values of column {column} in {self.name} {note} (the first on line "
                f"{self._first[column, note]})."
            )
        if self._short:
            self.notes.append(
                f"{self._short:,} records of {self.name} have fewer values than the header has columns (the "
                f"first on line {self._first['', 'short']}); what their ends lack was taken as blank."
            )


def _is_blank(cells: Sequence[str]) -> bool:
    return not any(cell.strip(WHITE_SPACE) for cell in cells)
