"""What is wrong with a file that somebody wants to load, described so that they can correct it.

How a format uses it:

- `problems.add(...)` for what keeps the whole from being loaded: a file that cannot be read, a header
  without a required column, a manifest that contradicts itself.
- `problems.reject(...)` for what is wrong with one record. The format goes on without the record, so that
  one run finds everything. Unless the user said --skip-bad, it counts like `add`.
- `problems.count(file, records)` for the records that were read, the rejected ones among them: the share
  that may be left out is a share of these.
- What refers to a rejected record must be rejected or mended by the format, as if the record were not there.
  `problems.skips_bad` says whether the rest will be loaded; while it is False, a reference to a rejected
  record is nothing to be told, because the record itself was told.
- The load calls `problems.settle(what)` when everything has been read; a format that cannot go on calls it
  earlier. It raises LoadError, or leaves what was rejected for Report.skipped and the file of problems.

Reason and remedy are sentences. Problems of one file and column whose reasons differ in numbers alone are
shown as one, with their count; so put what varies into `value`.
"""

import csv
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from timeback_analytics.errors import TimebackError

SHOWN = 20
_KEPT = 1_000
_GROUPS_KEPT = 10_000
_LONGEST_VALUE = 80
_HEADER = ("file", "line", "column", "value", "reason", "remedy")
_NUMBER = re.compile(r"\d[\d,]*")


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a file, or a record, from being loaded.

    Attributes:
        file: name of the file inside what was given.
        reason: why this cannot be loaded.
        remedy: what to do about it; empty where the reason says it.
        line: line of the file where the record starts, the header being line 1; None for the file as a whole.
        column: header of the column; of a JSON file the path of the value, such as $.CFItems[3].identifier.
        value: the offending value as the file has it; None where no single value is to blame.
    """

    file: str
    reason: str
    remedy: str = ""
    line: int | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f", line {self.line}"
        if self.column is not None:
            place += f", {self.column}" if self.column.startswith("$") else f", column {self.column}"
        found = "" if self.value is None else f"{shown(self.value)}: "
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{place}: {found}{self.reason}{remedy}"


@dataclass
class Group:
    """Problems of one kind: of one file and column, with one reason.

    Attributes:
        first: the one that was found first.
        count: how many there are.
        last_line: line of the one that was found last.
    """

    first: Problem
    count: int = 1
    last_line: int | None = None

    def __str__(self) -> str:
        if self.count == 1:
            return str(self.first)
        until = f", the last on line {self.last_line}" if self.last_line else ""
        return f"{self.first} ({self.count:,} times{until})"


def shown(value: object) -> str:
    """A value for a message: quoted, without characters that a terminal would act on, not too long."""
    text = str(value)
    if len(text) > _LONGEST_VALUE:
        text = text[:_LONGEST_VALUE] + "…"
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text) + "'"


class MalformedError(ValueError):
    """A value that is not what its column holds: the reason, and what to do about it."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class LoadError(TimebackError):
    """Nothing was written, because of these problems.

    Attributes:
        problems: the problems, in the order of files and lines; at most 1,000 of them.
        total: how many there are.
        groups: the problems by kind, in the same order.
        all_shown: whether the message shows every one.
    """

    def __init__(
        self,
        what: str,
        problems: Iterable[Problem],
        total: int | None = None,
        groups: Iterable[Group] | None = None,
        spool: "_Spool | None" = None,
        hint: str = "",
    ) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        self.groups = tuple(_grouped(self.problems) if groups is None else groups)
        self._spool = spool
        shown_groups = self.groups[:SHOWN]
        lines = [f"{what} is not loaded, and nothing was written. Problems: {self.total:,}"]
        lines += [f"  {group}" for group in shown_groups]
        more = self.total - sum(group.count for group in shown_groups)
        self.all_shown = not more and all(group.count == 1 for group in shown_groups)
        if more:
            lines.append(f"  ... and {more:,} more")
        super().__init__("\n".join(lines + ([hint] if hint else [])))

    def save(self, path: Path) -> None:
        """Write every problem to a CSV file; see Problems.save."""
        if self._spool is None:
            self._spool = _Spool()
            for problem in self.problems:
                self._spool.put(problem)
        self._spool.save(path)


class Problems:
    """The problems found while reading; a reader adds to it and goes on, to find them all in one go.

    Attributes:
        total: how many there are.
        skips_bad: whether records that are rejected are left out, and the rest is loaded.
        rejected: records that were rejected, of those that were counted.
    """

    def __init__(self, *, skip_bad: bool = False, skip_limit: float = 1.0) -> None:
        """Begin without any.

        Args:
            skip_bad: see skips_bad.
            skip_limit: with it, the share of records that may be left out, in percent.
        """
        self.total = 0
        self.skips_bad = skip_bad
        self._limit = skip_limit
        self._fatal = 0
        self._kept: list[Problem] = []
        self._groups: dict[tuple[str, str, str], Group] = {}
        self._spool: _Spool | None = None
        self._records: Counter[str] = Counter()
        self._rejected: dict[str, set[object]] = {}

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing will be loaded any more, whatever else is found."""
        return bool(self._fatal or (self.total and not self.skips_bad))

    @property
    def rejected(self) -> int:
        """How many records were rejected."""
        return sum(len(records) for records in self._rejected.values())

    @property
    def groups(self) -> list[Group]:
        """The problems by kind, in the order of files and of the first line."""
        return _sorted(self._groups.values(), lambda group: group.first)

    def add(
        self,
        file: str,
        reason: str,
        remedy: str = "",
        *,
        line: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        """Note what keeps the whole from being loaded; see Problem for the arguments."""
        self._fatal += 1
        self._note(Problem(file, reason, remedy, line, column, value))

    def reject(
        self,
        file: str,
        reason: str,
        remedy: str = "",
        *,
        line: int | None = None,
        column: str | None = None,
        value: str | None = None,
        record: object = None,
    ) -> None:
        """Note what is wrong with one record, which the reader leaves out; see Problem for the arguments.

        A record may be rejected for several reasons, and counts once.

        Args:
            file: see Problem.
            reason: see Problem.
            remedy: see Problem.
            line: see Problem.
            column: see Problem.
            value: see Problem.
            record: what tells the record from others of the file, where its line does not.
        """
        self._rejected.setdefault(file, set()).add(line if record is None else record)
        self._note(Problem(file, reason, remedy, line, column, value))

    def count(self, file: str, records: int = 1) -> None:
        """Say that so many more records of a file were read."""
        self._records[file] += records

    def settle(self, what: str) -> None:
        """Raise LoadError where what was found keeps the whole from being loaded.

        Args:
            what: names the thing to load.
        """
        if not self.total:
            return
        hint = self._hint()
        if self.skips_bad and not self._fatal and not hint:
            return
        self._kept = _sorted(self._kept, lambda problem: problem)
        raise LoadError(what, self._kept, self.total, self.groups, self._spool, hint)

    def settle_all(self, what: str) -> None:
        """Raise LoadError where anything was found: of what was read so far, nothing can be left out."""
        if self.total:
            self._fatal += 1
            self.settle(what)

    def save(self, path: Path) -> None:
        """Write every problem to a CSV file with the columns file, line, column, value, reason and remedy.

        Raises:
            OSError: the file cannot be written.
        """
        (self._spool or _Spool()).save(path)

    def _note(self, problem: Problem) -> None:
        self.total += 1
        if len(self._kept) < _KEPT:
            self._kept.append(problem)
        if self._spool is None:
            self._spool = _Spool()
        self._spool.put(problem)
        _put(self._groups, problem)

    def _hint(self) -> str:
        """Why not even --skip-bad helps; empty where it does, or was not asked for."""
        if not self.skips_bad:
            return ""
        records = sum(self._records.values())
        if self.rejected * 100 > self._limit * records:
            share = 100 * self.rejected / records if records else 100
            return (
                f"Of {records:,} records {self.rejected:,} cannot be loaded ({share:.3g}%), and --skip-bad "
                f"leaves out at most {self._limit:g}%. Mend them, or allow more with --skip-limit."
            )
        # a limit of 100 says that even this is wanted
        for file, rejected in self._rejected.items():
            if self._limit < 100 and len(rejected) >= self._records[file]:
                return f"Not one record of {file} can be loaded, so --skip-bad does not leave them out."
        return ""


def _put(groups: dict[tuple[str, str, str], Group], problem: Problem) -> None:
    key = (problem.file, _NUMBER.sub("#", problem.column or ""), _NUMBER.sub("#", problem.reason))
    group = groups.get(key)
    if group:
        group.count += 1
        group.last_line = problem.line
    elif len(groups) < _GROUPS_KEPT:
        groups[key] = Group(problem)


def _grouped(problems: Iterable[Problem]) -> list[Group]:
    groups: dict[tuple[str, str, str], Group] = {}
    for problem in problems:
        _put(groups, problem)
    return list(groups.values())


def _sorted(things: Iterable, problem_of) -> list:
    """Things in the order of files, as they were found, and lines."""
    things = list(things)
    files = dict.fromkeys(problem_of(thing).file for thing in things)
    order = {file: number for number, file in enumerate(files)}
    return sorted(things, key=lambda thing: (order[problem_of(thing).file], problem_of(thing).line or 0))


class _Spool:
    """Every problem, on disk: there may be as many as records."""

    def __init__(self) -> None:
        # as long as the problems are wanted; it is gone with the object
        self._file: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115
            "w+", encoding="utf-8", errors="backslashreplace", newline="", prefix="timeback-problems-"
        )
        self._writer = csv.writer(self._file)
        self._writer.writerow(_HEADER)

    def put(self, problem: Problem) -> None:
        self._writer.writerow(
            (problem.file, problem.line, problem.column, problem.value, problem.reason, problem.remedy)
        )

    def save(self, path: Path) -> None:
        self._file.flush()
        self._file.seek(0)
        with path.open("w", encoding="utf-8", newline="") as copy:
            shutil.copyfileobj(self._file, copy)
        self._file.seek(0, 2)
