"""The rules that several datasets share, each as one small function."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any
from uuid import UUID

Row = dict[str, Any]
"""One row of a table or a dataset: column -> value."""
Tables = Mapping[str, Sequence[Row]]
"""The operational rows: table -> rows."""

WHITE_SPACE = " \t\n\r\f\v"
"""What counts as white space in every rule: the six of ASCII. A no-break space is text."""


@dataclass(frozen=True)
class Project:
    """What the rules need besides rows: today's date and the time zone of every date."""

    today: date
    timezone: tzinfo


# -- text ---------------------------------------------------------------------------------------------


def is_blank(text: str | None) -> bool:
    """Null, empty, or nothing but white space: not recorded."""
    return text is None or text.strip(WHITE_SPACE) == ""


def resource_title(name: str | None, description: str | None) -> str:
    """A Caliper resource's title: its name, else its description, else 'N/A'. As recorded, untrimmed."""
    for text in (name, description):
        if text is not None and not is_blank(text):
            return text
    return "N/A"


def person_name(user: Row | None) -> str:
    """Given then family name, one space between, a blank part left out; '' where there is no user row."""
    if user is None:
        return ""
    return " ".join(part for part in (user["given_name"], user["family_name"]) if not is_blank(part))


# -- numbers and time ---------------------------------------------------------------------------------


def round_half_away(value: Fraction | Decimal | int, digits: int = 0) -> Decimal:
    """Rounded as PostgreSQL rounds a numeric: a half goes away from zero. Exact, whatever the size."""
    scaled = abs(Fraction(value)) * 10**digits
    rounded = floor(scaled + Fraction(1, 2))
    sign = "-" if value < 0 and rounded else ""
    return Decimal(f"{sign}{rounded}E-{digits}")


def seconds(length: timedelta) -> Fraction:
    """The exact length in seconds."""
    return Fraction(length // timedelta(microseconds=1), 1_000_000)


def whole_seconds(start: datetime, end: datetime) -> Decimal:
    """Seconds between two moments, rounded to whole ones."""
    return round_half_away(seconds(end - start))


def date_of(moment: datetime | None, project: Project) -> date | None:
    """The calendar date of a moment in the project's time zone, which the session's has no say in."""
    return None if moment is None else moment.astimezone(project.timezone).date()


_NUMBER = r"([0-9]{1,9}(?:\.[0-9]+)?)"
_DURATION = re.compile(
    rf"P(?=[0-9T])(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?=[0-9])(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?"
)
_SECONDS_OF = (7 * 86400, 86400, 3600, 60, 1)


def client_duration(text: str | None) -> Fraction | None:
    """Seconds of a client's ISO 8601 duration; None where it is absent or not one that counts.

    Weeks, days, hours, minutes, seconds, in that order and upper case; no sign; a decimal point, not a comma;
    at most nine digits before it. Years and months have no fixed length, so they count as absent, like
    everything else that is malformed: a bare number, a clock time, white space around, a T with no time.
    """
    match = _DURATION.fullmatch(text) if text is not None else None
    if match is None:
        return None
    parts = zip(match.groups(), _SECONDS_OF, strict=True)
    return sum((Fraction(number) * unit for number, unit in parts if number is not None), Fraction(0))


def union_length(intervals: Iterable[tuple[datetime, datetime]]) -> Fraction:
    """Seconds covered by at least one of the intervals: what overlaps or touches counts once."""
    total = Fraction(0)
    covered_until: datetime | None = None
    for start, end in sorted(intervals):
        if covered_until is None or start > covered_until:
            covered_until = start
        if end > covered_until:
            total += seconds(end - covered_until)
            covered_until = end
    return total


# -- rows ---------------------------------------------------------------------------------------------


def null_last(value: Any) -> tuple[bool, Any]:
    """Sort key that puts an absent value last. Texts then compare by code point, UUIDs by their bytes."""
    return (value is None, value)


def by_key(rows: Iterable[Row], *columns: str) -> dict[Any, Row]:
    """Rows by a unique column, or by a tuple of columns."""
    return {_key(row, columns): row for row in rows}


def grouped(rows: Iterable[Row], *columns: str) -> dict[Any, list[Row]]:
    """Rows by a column, or by a tuple of columns, in the order in which they come."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[_key(row, columns)].append(row)
    return dict(groups)


def _key(row: Row, columns: tuple[str, ...]) -> Any:
    return row[columns[0]] if len(columns) == 1 else tuple(row[column] for column in columns)


def distinct(rows: Iterable[Row]) -> list[Row]:
    """The rows without repetitions."""
    return list({tuple(row.items()): row for row in rows}.values())


def ids(values: Iterable[UUID | None]) -> frozenset[UUID]:
    """An array of ids: each once, absent ones left out; order means nothing."""
    return frozenset(value for value in values if value is not None)


def earliest(values: Iterable[Any]) -> Any:
    """The lowest of those that are present, None where there is none."""
    return min((value for value in values if value is not None), default=None)


Dataset = Callable[[Tables, Project], Iterable[Row]]
"""Computes the rows of a dataset that everybody may see."""
ScopedDataset = Callable[[Tables, Project], Iterable[tuple[UUID | None, Row]]]
"""Computes the rows of a scoped dataset for everybody, without org_ids, each with the person it is about."""
