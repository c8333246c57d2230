"""What is wrong with a file that somebody wants to load, told so that they can mend it."""

from collections.abc import Iterable
from dataclasses import dataclass

from timeback_analytics.errors import TimebackError

SHOWN = 20
_KEPT = 1000
_LONGEST_VALUE = 80


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a file from being loaded.

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
    """

    def __init__(self, what: str, problems: Iterable[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        lines = [f"{what} is not loaded, and nothing was written. Problems: {self.total:,}"]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        if self.total > SHOWN:
            lines.append(f"  ... and {self.total - SHOWN:,} more")
        super().__init__("\n".join(lines))


class Problems:
    """The problems found while reading; a reader adds to it and goes on, to find them all in one go."""

    def __init__(self) -> None:
        self.total = 0
        self._kept: list[Problem] = []

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
        """Note one problem; see Problem for the arguments."""
        self.total += 1
        if len(self._kept) < _KEPT:
            self._kept.append(Problem(file, reason, remedy, line, column, value))

    def raise_if_any(self, what: str) -> None:
        """Raise LoadError when a problem was noted; what names the thing to load."""
        if not self.total:
            return
        order = {file: number for number, file in enumerate(dict.fromkeys(p.file for p in self._kept))}
        self._kept.sort(key=lambda problem: (order[problem.file], problem.line or 0))
        raise LoadError(what, self._kept, self.total)
