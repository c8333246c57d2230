"""Parsers for the values that files hold as text: each gives the value, or says why there is none."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from timeback_analytics.load.problems import MalformedError

WHITE_SPACE = " \t\n\r\f\v"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(?:(Z)|([+-]\d{2}):?(\d{2})?)?)?",
    re.ASCII,
)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Noted:
    """A value that could be used, and what the user should know of how.

    Attributes:
        value: the value.
        note: what was made of it, to be read after 'N values of column C in FILE'.
    """

    value: Any
    note: str


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


def _split_time(cell: str) -> tuple[str, str | None, str | None] | None:
    """Date, time of day and offset of an ISO 8601 time, the later two None where it has none."""
    form = _TIMESTAMP.fullmatch(as_word(cell))
    if not form:
        return None
    day, time, zulu, hours, minutes = form.groups()
    offset = "+00:00" if zulu else f"{hours}:{minutes or '00'}" if hours else None
    return day, time, offset


def as_date(cell: str) -> str | Noted:
    """A date, YYYY-MM-DD; of a time its day, as it is written there."""
    word = as_word(cell)
    time = None
    if not _DATE.fullmatch(word):
        parts = _split_time(word)
        if parts is None:
            raise MalformedError("this is not a date of the form YYYY-MM-DD.")
        word, time, _ = parts
    try:
        datetime.fromisoformat(f"{word}T{time}") if time else date.fromisoformat(word)
    except ValueError as error:
        raise MalformedError(f"there is no such date ({error}).") from None
    return Noted(word, "are times, of which the day was taken") if time else word


def as_midnight(cell: str) -> str | Noted:
    """A date, as the instant at which it begins in UTC."""
    day = as_date(cell)
    if isinstance(day, Noted):
        return Noted(f"{day.value}T00:00:00+00:00", day.note)
    return f"{day}T00:00:00+00:00"


def as_timestamp(cell: str) -> str | Noted:
    """An instant in ISO 8601, as UTC; without a time zone it is one in UTC, a date is its beginning."""
    parts = _split_time(cell)
    if parts is None:
        raise MalformedError("this is not a timestamp of the form YYYY-MM-DDThh:mm:ss.sssZ.")
    day, time, offset = parts
    try:
        instant = datetime.fromisoformat(f"{day}T{time or '00:00'}{offset or '+00:00'}")
        value = instant.astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"there is no such time ({error}).") from None
    if time is None:
        return Noted(value, "are dates without a time, and taken as midnight in UTC")
    return value if offset else Noted(value, "have no time zone, and are taken as UTC")


def as_decimal(cell: str) -> str:
    """A number, with a decimal point where it has a fraction."""
    word = as_word(cell)
    if not _DECIMAL.fullmatch(word):
        raise MalformedError(
            "this is not a number.", "A number has digits and a decimal point, nothing else."
        )
    return word
