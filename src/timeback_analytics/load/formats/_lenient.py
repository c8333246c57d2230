"""Values as senders of events write them, which is not always as the standard says."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from timeback_analytics.load.problems import MalformedError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNIX = re.compile(r"-?\d{10}(\d{3})?(\.\d+)?", re.ASCII)
# Larger numbers count milliseconds: seconds reach this in the year 5138.
_MILLISECONDS_FROM = 100_000_000_000
_LARGEST_EXPONENT = 100
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@lru_cache(maxsize=2**12)
def _of_text(text: str) -> tuple[int, bool]:
    word = text.strip().upper().removesuffix(" UTC")
    if _UNIX.fullmatch(word):
        return _of_number(float(word))
    found = datetime.fromisoformat(word)
    is_zoned = found.tzinfo is not None or text.strip().upper().endswith(" UTC")
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return (found - EPOCH) // _MICROSECOND, is_zoned


def _of_number(value: float) -> tuple[int, bool]:
    seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
    return timedelta(seconds=seconds) // _MICROSECOND, True


def instant(value: Any) -> tuple[int, bool]:
    """A time as microseconds since 1970, and whether its zone was said; without one it is UTC.

    ISO 8601, with a space too, a date alone (its midnight), or Unix seconds or milliseconds.

    Raises:
        MalformedError: it is none of these, or beyond the years 1 to 9999.
    """
    try:
        if isinstance(value, str):
            found = _of_text(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found = _of_number(value)
        else:
            raise TypeError
        EPOCH + timedelta(microseconds=found[0])
    except (TypeError, ValueError, OverflowError) as error:
        raise MalformedError("this is not a time.", "Write it as 2024-04-15T10:00:00.000Z.") from error
    return found


def as_datetime(microseconds: int | None) -> datetime | None:
    """The time of instant()."""
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def number(value: Any) -> str | None:
    """A number as text that PostgreSQL takes for numeric, given as number or text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        # int() of a long text is refused by Python, and so is its text
        found = Decimal(value.strip() if isinstance(value, str) else str(value))
    except (InvalidOperation, ValueError):
        return None
    is_usable = found.is_finite() and (not found or abs(found.adjusted()) <= _LARGEST_EXPONENT)
    return str(found) if is_usable and len(found.as_tuple().digits) <= 2 * _LARGEST_EXPONENT else None


def whole(value: Any) -> int | None:
    """A whole number that fits an integer column; None where it is none."""
    text = number(value)
    if text is None or Decimal(text) != Decimal(text).to_integral_value():
        return None
    found = int(Decimal(text))
    return found if -(2**31) <= found < 2**31 else None


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text: no NUL, no half of a surrogate pair."""
    return _UNSTORABLE.search(text) is None
