"""What exports make of Firestore's values, back as plain JSON; and paths and times as they write them."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from timeback_analytics.load.problems import MalformedError

Document = dict[str, Any]

_RESOURCE = re.compile(r"^/?(?:projects/[^/]+/databases/[^/]+/documents/|/)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAGS = ({"__time__"}, {"__ref__"}, {"__bytes__"}, {"__lat__", "__lon__"})
_UTC = re.compile(r" ?(?:UTC|Z)$")


def document_path(text: Any) -> str:
    """A document's path without what stands before it: projects/.../documents/ or a slash.

    Raises:
        MalformedError: it leads to no document.
    """
    if not isinstance(text, str):
        raise MalformedError("the path of the document must be a text.")
    path = text[_RESOURCE.match(text).end() :]
    parts = path.split("/")
    if len(parts) % 2 or not all(parts):
        raise MalformedError(
            "this is not a path of a document.", "Collections and ids take turns: guests/G1/runs/R1."
        )
    return path


def moment(value: Any) -> datetime | None:
    """A time as exports write it, cut to microseconds; None for none.

    ISO 8601 (UTC where it names no offset), BigQuery's `2024-04-15 10:00:00.5 UTC`, Unix seconds or, by
    their size, milli-, micro- or nanoseconds, Firestore's object of seconds and nanoseconds, or what
    BigQuery's libraries write, an object with the value.

    Raises:
        MalformedError: it is none of these.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, dict) and value.keys() == {"value"}:
            return moment(value["value"])
        if isinstance(value, dict):
            seconds = value.get("_seconds", value.get("seconds"))
            nanoseconds = value.get("_nanoseconds", value.get("nanoseconds", 0))
            return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(nanoseconds) // 1000)
        if isinstance(value, str) and not re.fullmatch(r"-?\d+(\.\d+)?(E\d+)?", value):
            found = datetime.fromisoformat(_UTC.sub("+00:00", value))
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if isinstance(value, bool):
            raise TypeError
        return _EPOCH + timedelta(seconds=_seconds(float(value)))
    except (TypeError, ValueError, OverflowError) as error:
        raise MalformedError(
            "this is not a time.", "Write it as 2024-04-15T10:00:00Z, or as Unix seconds."
        ) from error


def _seconds(number: float) -> float:
    # seconds of the year 5000 are fewer than the milliseconds of 1974
    for unit in (1e9, 1e6, 1e3):
        if abs(number) >= 1e8 * unit:
            return number / unit
    return number


def parse(text: str | bytes) -> Any:
    """JSON as Python has it. NaN and the infinities, which Firestore has and JSON has not, become texts.

    Raises:
        ValueError: it is not JSON, or has a number beyond Firestore's.
    """
    return json.loads(text, parse_float=_number, parse_constant=str)


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is larger than Firestore's numbers can be")
    return number


def as_json(data: Document) -> str:
    """The fields as a text that PostgreSQL takes for jsonb.

    Raises:
        MalformedError: a text holds what PostgreSQL cannot hold.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    check_text(text, has_escapes=True)
    return text


def check_text(text: str, *, has_escapes: bool = False) -> None:
    """Make sure that PostgreSQL can hold a text; with has_escapes it is JSON.

    Raises:
        MalformedError: it holds a NUL or half of a surrogate pair.
    """
    has_nul = bool(re.search(r"(?<!\\)(?:\\\\)*\\u0000", text)) if has_escapes else "\0" in text
    if has_nul or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise MalformedError("a text holds a NUL or half of a surrogate pair, which PostgreSQL cannot hold.")


def plain(fields: Any) -> Document:
    """The `fields` of a document of Firestore's REST interface, without their types.

    Raises:
        MalformedError: a value is of no type of Firestore's.
    """
    if not isinstance(fields, dict):
        raise MalformedError("the fields of a document must be an object.")
    return {name: _plain_value(value) for name, value in fields.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, content),) = value.items()
        if kind in _PLAIN:
            try:
                return _PLAIN[kind](content)
            except (TypeError, ValueError, AttributeError) as error:
                if isinstance(error, MalformedError):
                    raise
                raise MalformedError(f"this is not a valid {kind}: {json.dumps(content)[:60]}.") from error
    raise MalformedError(
        f"a field must have one type, such as stringValue, and it is {json.dumps(value)[:60]}."
    )


def _double(content: Any) -> Any:
    # the interface writes NaN, Infinity and -Infinity as texts, and JSON can do no better
    return content if content in ("NaN", "Infinity", "-Infinity") else float(content)


def _as_is(content: Any) -> Any:
    return content


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "nullValue": lambda content: None,
    "booleanValue": _as_is,
    "integerValue": int,
    "doubleValue": _double,
    "timestampValue": _as_is,
    "stringValue": _as_is,
    "bytesValue": _as_is,
    "referenceValue": _as_is,
    "geoPointValue": _as_is,
    "arrayValue": lambda content: [_plain_value(value) for value in content.get("values", [])],
    "mapValue": lambda content: plain(content.get("fields", {})),
}


def is_tagged(value: Any) -> bool:
    """Whether an object is a value with its type, as exports write it, and none of a document's own."""
    return isinstance(value, dict) and (
        ("__datatype__" in value and value.keys() <= {"__datatype__", "value"}) or value.keys() in _TAGS
    )


def without_tags(value: Any) -> Any:
    """A value of an export without the types that it writes beside some.

    {"__datatype__": "timestamp", "value": {...}} is the value in it; of Firefoo's, {"__time__": "..."} is the
    time, {"__ref__": "..."} the path, and {"__lat__": 1, "__lon__": 2} a place as the REST interface has it.
    """
    if isinstance(value, list):
        return [without_tags(element) for element in value]
    if not isinstance(value, dict):
        return value
    if is_tagged(value):
        if "__datatype__" in value:
            return value.get("value")
        if "__lat__" in value:
            return {"latitude": value["__lat__"], "longitude": value["__lon__"]}
        return next(iter(value.values()))
    return {name: without_tags(member) for name, member in value.items()}
