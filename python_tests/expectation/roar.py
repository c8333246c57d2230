"""ROAR's datasets out of the documents, in plain Python; and documents that try to break them.

Where a field stands is written down here once more, from the documentation and not from the SQL: mostly a
column's name in camel case.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FACTS_FILE = Path(__file__).parents[1] / "facts" / "roar.yml"

Document = tuple[str, Any, datetime]
"""Path, fields, and when it was written."""


@cache
def roar_facts() -> dict[str, dict[str, Any]]:
    """The documented facts of ROAR's datasets, in the form of datasets.yml."""
    return yaml.safe_load(FACTS_FILE.read_text(encoding="utf-8"))


PEOPLE = {
    "roar_users": "users",
    "roar_deleted_users": "deleted-users",
    "roar_user_claims": "users",
    "roar_user_runs": "users",
    "roar_user_trials": "users",
    "roar_guests": "guests",
    "roar_guest_runs": "guests",
    "roar_guest_trials": "guests",
}
"""Scoped dataset -> the collection with the documents of its people."""
MEMBERSHIPS = ("districts", "schools", "classes", "groups", "families")

_SNAKE = ("assessment_stage", "internal_node_id", "save_trial", "start_time", "start_time_unix")
_SNAKE += ("time_elapsed", "trial_index", "trial_type")
_PLURALS = {
    "class": "classes",
    "district": "districts",
    "family": "families",
    "group": "groups",
    "school": "schools",
}
_IRREGULAR = {
    ("roar_districts", "formatted_address"): ["address.formattedAddress"],
    ("roar_districts", "address_name"): ["address.name"],
    ("roar_districts", "google_maps_url"): ["address.googleMapsUrl"],
    ("roar_districts", "google_places_id"): ["address.googlePlacesId"],
    ("roar_districts", "address_components"): ["address.addressComponents"],
    ("roar_districts", "school_ids"): ["schools", "address.schools"],
    ("roar_schools", "class_ids"): ["classes"],
    ("roar_guests", "task_ids"): ["tasks"],
    ("roar_guests", "variant_ids"): ["variants"],
    ("roar_user_claims", "admin_uid"): ["claims.adminOrgs.adminUid", "claims.adminUid"],
    ("roar_user_claims", "assessment_uid"): ["claims.adminOrgs.assessmentUid", "claims.assessmentUid"],
    ("roar_user_claims", "roar_uid"): ["claims.minimalAdminOrgs.roarUid", "claims.roarUid"],
    ("roar_user_claims", "admin_orgs"): ["claims.adminOrgs"],
    ("roar_user_claims", "minimal_admin_orgs"): ["claims.minimalAdminOrgs"],
}


def places(dataset: str, column: str) -> list[str]:
    """Where a column's value may stand in a document, the first one first."""
    if (dataset, column) in _IRREGULAR:
        return _IRREGULAR[dataset, column]
    if found := re.fullmatch(r"(current|all)_(\w+)_ids", column):
        return [f"{_PLURALS[found[2]]}.{found[1]}"]
    if found := re.fullmatch(r"(practice|test)_(num|theta)_(\w+)", column):
        name = {"theta_se": "thetaSE"}.get(f"{found[2]}_{found[3]}", _camel(f"{found[2]}_{found[3]}"))
        return [f"scores.raw.composite.{found[1]}.{name}"]
    if column == "computed_composite":
        return ["scores.computed.composite"]
    if column == "num_afc":
        return ["numAFC"]
    if column in _SNAKE:
        return [column]
    in_params = dataset == "roar_variants" and column not in ("name", "last_updated", "params")
    return [("params." if in_params else "") + _camel(column)]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


# -- values -------------------------------------------------------------------------------------------


def value_at(data: Any, place: str) -> Any:
    """What stands at a dotted place; None where an object on the way is none or lacks it."""
    for name in place.split("."):
        if not isinstance(data, dict):
            return None
        data = data.get(name)
    return data


def typed(value: Any, type_: str) -> Any:
    """The value as a column of the type; None where it has another JSON type."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if type_ == "text":
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Decimal):
            # PostgreSQL knows no negative zero
            return format(value if value else abs(value), "f")
        return str(value) if is_number else _text(value)
    if type_ == "integer":
        fits = is_number and value == int(value) and -(2**31) <= value < 2**31
        return int(value) if fits else None
    if type_ == "numeric":
        return Decimal(value) if is_number else None
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    if type_ == "text[]":
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else None
    if type_ == "jsonb":
        return value if isinstance(value, dict | list) else None
    return _moment(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        return _iso(value)
    if isinstance(value, dict):
        seconds = value["seconds"] if "seconds" in value else value.get("_seconds")
        nanoseconds = value["nanoseconds"] if "nanoseconds" in value else value.get("_nanoseconds", 0)
        whole = [
            part
            for part in (seconds, nanoseconds)
            if isinstance(part, int | Decimal) and not isinstance(part, bool) and part == int(part)
        ]
        if len(whole) < 2 or not 0 <= nanoseconds < 10**9:
            return None
        moment = _unix(seconds)
        return moment and moment + timedelta(microseconds=int(nanoseconds) // 1000)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _unix(value)
    return None


def _unix(seconds: int | Decimal) -> datetime | None:
    if not -62135596800 <= seconds < 253402300800:
        return None
    return _EPOCH + timedelta(microseconds=round(Decimal(seconds) * 10**6))


def _iso(text: str) -> datetime | None:
    found = _ISO.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    offset = found[8] or "Z"
    shift = timedelta()
    if offset != "Z":
        digits = offset[1:].replace(":", "")
        hours, minutes = int(digits[:2]), int(digits[2:] or 0)
        if hours > 14 or minutes > 59:
            return None
        shift = timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(shift))
    except ValueError:
        return None
    # PostgreSQL rounds what is finer than a microsecond
    return moment + timedelta(microseconds=round(Decimal(f"0.{found[7] or 0}") * 10**6))


# -- datasets -----------------------------------------------------------------------------------------


def ids_of(dataset: str, path: str) -> dict[str, str] | None:
    """The ids that a path holds, where it is of this dataset."""
    patterns = [roar_facts()[dataset]["path"].partition(",")[0]]
    if dataset == "roar_variants":
        patterns.append("task/{task_id}/variants/{id}")
    for pattern in patterns:
        regex = "".join(
            f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{\w+\})", pattern)
        )
        if found := re.fullmatch(regex, path):
            return found.groupdict()
    return None


def current_organizations(documents: list[Document], collection: str) -> dict[str, frozenset[str]]:
    """Person -> organizations of today, of the people in a collection."""
    found = {}
    for path, data, _ in documents:
        parts = path.split("/")
        if len(parts) == 2 and parts[0] == collection:
            if collection == "guests":
                district = typed(value_at(data, "districtId"), "text")
                lists = [[district] if district is not None else []]
            else:
                lists = [typed(value_at(data, f"{kind}.current"), "text[]") or [] for kind in MEMBERSHIPS]
            found[parts[1]] = frozenset(item for items in lists for item in items)
    return found


def expected(dataset: str, documents: list[Document], allowed: frozenset[str] | None) -> list[dict[str, Any]]:
    """The rows of a dataset for a caller with these organizations; None is an unrestricted caller."""
    fact = roar_facts()[dataset]
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    written: dict[tuple[str, ...], tuple[datetime, str]] = {}
    for path, data, written_at in documents:
        ids = ids_of(dataset, path)
        if ids is None:
            continue
        row = dict(ids)
        for column, (_, type_, _) in fact["columns"].items():
            if column not in row and column not in ("org_ids", "duration_sec"):
                values = (typed(value_at(data, place), type_) for place in places(dataset, column))
                row[column] = next((value for value in values if value is not None), None)
        if "duration_sec" in fact["columns"]:
            row["duration_sec"] = _whole_seconds(row["time_started"], row["time_finished"])
        key = tuple(ids[name] for name in fact["grain"])
        # the newer of two spellings, then the one under `tasks`
        if key not in rows or (written_at, path) > written[key]:
            rows[key], written[key] = row, (written_at, path)
    if dataset not in PEOPLE:
        return list(rows.values())
    organizations = current_organizations(documents, PEOPLE[dataset])
    visible = []
    for row in rows.values():
        of_person = organizations.get(row[fact["scope"]], frozenset())
        shared = of_person if allowed is None else of_person & allowed
        if shared or allowed is None:
            visible.append({**row, "org_ids": frozenset(shared)})
    return visible


def _whole_seconds(started: datetime | None, finished: datetime | None) -> Decimal | None:
    if started is None or finished is None or finished < started:
        return None
    seconds = Decimal((finished - started) // timedelta(microseconds=1)) / 10**6
    return seconds.quantize(Decimal(1), rounding="ROUND_HALF_UP")


# -- documents ----------------------------------------------------------------------------------------

IDS = (
    *(
        "a",
        "A",
        "b",
        "U1",
        "2tgCL8CrBt9ymN2lTjVi",
        "a,b",
        "{a}",
        "{",
        "}",
        '"',
        '"a"',
        "a\\",
        "\\",
        "' or 1=1",
    ),
    *(
        " a",
        "a ",
        "a b",
        "null",
        "NULL",
        "*",
        "%",
        "_",
        ".a",
        "é",
        "e\u0301",
        "日本",
        "🦉",
        "\u00a0",
        "\t",
        "a\nb",
    ),
    *("users", "runs", "trials", "[1:1]", "a;b", "1e5", "true", "$1", "{{ this }}", "x" * 700),
)
"""Ids of Firestore's: any character but a slash."""

_MOMENTS = (
    *("2023-09-15T00:00:00Z", "2023-09-15T10:00:00.123456789Z", "2023-09-15 10:00:00", "2023-09-15"),
    *(
        "2024-02-29T23:59:59.999999Z",
        "2023-09-15T10:00:00+05:30",
        "2023-09-15T10:00:00-0800",
        "2023-09-15T10+02",
    ),
    *("2023-09-15T10:00+02", "0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z", "1999-12-31T23:59:59+14:00"),
    *(0, 1692206400, -1, Decimal("1692206400.25"), Decimal("1e9"), 253402200000, -62135596800),
)
_NO_MOMENTS = (
    *(
        "",
        "yesterday",
        "2023-02-30",
        "2023-02-29T00:00:00Z",
        "1900-02-29",
        "2023-13-01",
        "2023-00-10",
        "0000-01-01",
    ),
    *("2023-04-31", "2023-09-15T24:00:00Z", "2023-09-15T10:60:00Z", "2023-09-15T10:00:60Z", "12023-09-15"),
    *("2023-09-15T10:00:00+15:00", "2023-09-15T10:00:00Z\n", " 2023-09-15", "2023-9-15", "20230915T100000Z"),
    *("infinity", "now", "epoch", "2023-09-15T10:00:00.Z", "٢٠٢٣-09-15", "2023-09-15T10:00:00 Europe/Berlin"),
    *(1692206400000, 253402300800, -62135596801, Decimal("1e300"), Decimal("-1e300")),
    *({"seconds": "x"}, {"seconds": Decimal("1.5"), "nanoseconds": 0}, {"seconds": 1, "nanoseconds": -1}),
    *({"seconds": 1, "nanoseconds": 10**9}, {"nanoseconds": 1}, {}, {"seconds": None}, {"seconds": True}),
    *({"seconds": 1, "nanoseconds": "0"}, {"seconds": Decimal("1e300"), "nanoseconds": 0}, [1692206400]),
)
_OBJECTS = (
    *({"seconds": 1692206400, "nanoseconds": 123456789}, {"_seconds": 1692206400, "_nanoseconds": 0}),
    *({"seconds": Decimal("1692206400.0"), "nanoseconds": Decimal("5e8")}, {"_seconds": -5}),
)
_ANYTHING = (
    *(None, True, False, 0, 1, -7, 12, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**70, Decimal("12.0")),
    *(Decimal("12.5"), Decimal("1e2"), Decimal("1e-7"), Decimal("1E400"), Decimal("-0.0"), Decimal("1.50")),
    *(
        "",
        " ",
        "text",
        "12",
        "true",
        "null",
        "NaN",
        "'; drop table roar_document; --",
        "\\u0000",
        "日本 🦉",
        "\u202e",
    ),
    *(
        [],
        {},
        ["a", "b"],
        ["a", 7, None, ["x"], {"y": 1}, True],
        {"0": "a", "1": "b"},
        [[]],
        {"a": {"b": [1]}},
    ),
)
_GOOD = {
    "text": ("student", "teacher", "reading", "5", "test_response", "practice_response"),
    "integer": (0, 1, 2, 5, 9, 20),
    "numeric": (0, 7, Decimal("0.42"), Decimal("843.5"), Decimal("-1.25")),
    "boolean": (True, False),
    "jsonb": ({"districts": ["a"]}, [1, "a"], {"0": "cat", "1": "cut"}),
    "timestamptz": (*_MOMENTS, *_OBJECTS),
}


def documents_of(seed: int) -> list[Document]:
    """An example: documents of every kind and of none, values of every type in every field."""
    return list(_Maker(random.Random(f"roar {seed}")).documents())


@dataclass
class _Maker:
    chance: random.Random

    def documents(self) -> Iterator[Document]:
        paths: dict[str, None] = {}
        pool = self.chance.sample(IDS, 9)
        for fact in roar_facts().values():
            pattern = fact["path"].partition(",")[0]
            for _ in range(self.chance.randint(6, 14)):
                path = re.sub(r"\{\w+\}", lambda _: self.chance.choice(pool), pattern)
                if pattern.startswith("tasks/") and "variants" in pattern and self.chance.random() < 0.5:
                    path = "task" + path.removeprefix("tasks")
                paths[path] = None
        for path in (
            "users",
            "users/",
            "/users/a",
            "users//runs/r",
            "users/a/runs/r/trials/t/x/y",
            "Users/a",
        ):
            paths[path] = None
        for path in paths:
            data = self._data(path, pool)
            written_at = datetime(2025, 1, self.chance.randint(1, 3), tzinfo=UTC)
            yield path, data, written_at

    def _data(self, path: str, pool: list[str]) -> Any:
        if self.chance.random() < 0.03:
            return self.chance.choice(_ANYTHING)
        data: dict[str, Any] = {"unknownField": 1, "id": "not the id"}
        for dataset, fact in roar_facts().items():
            if ids_of(dataset, path) is None:
                continue
            for column, (_, type_, _) in fact["columns"].items():
                if column not in ("org_ids", "duration_sec", *fact["grain"]):
                    for place in places(dataset, column):
                        self._put(data, place, self._value(column, type_, pool))
        return data

    def _value(self, column: str, type_: str, pool: list[str]) -> Any:
        lot = self.chance.random()
        if lot < 0.15:
            return self.chance.choice(_ANYTHING)
        if type_ == "timestamptz" and lot < 0.4:
            return self.chance.choice(_NO_MOMENTS)
        if type_ == "text[]":
            return self.chance.sample(pool, self.chance.randint(0, 3))
        if type_ == "text" and column.endswith("_id"):
            return self.chance.choice(pool)
        return self.chance.choice(_GOOD[type_])

    def _put(self, data: dict[str, Any], place: str, value: Any) -> None:
        *above, last = place.split(".")
        for name in above:
            # what was drawn for the whole may be no object, and then stays
            data = data.setdefault(name, {})
            if not isinstance(data, dict):
                return
        # absent one time in ten; an object that others have filled stays
        if self.chance.random() < 0.9 and last not in data:
            data[last] = value


def as_json(data: Any) -> str:
    """JSON with numbers as they are."""
    if isinstance(data, Decimal):
        return str(data)
    if isinstance(data, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {as_json(value)}" for name, value in data.items()) + "}"
    if isinstance(data, list):
        return "[" + ", ".join(map(as_json, data)) + "]"
    return json.dumps(data)


# -- the setting --------------------------------------------------------------------------------------


def listed(ids: list[str], *, quote_all: bool = False) -> str:
    """The setting that asks for these ids."""
    return ",".join(
        '"' + re.sub(r'(["\\])', r"\\\1", element) + '"' if quote_all or not is_bare(element) else element
        for element in ids
    )


def is_bare(element: str) -> bool:
    """Whether an id may be written without quotes."""
    return bool(re.fullmatch(r'[^ \t\n\v\f\r,{}"\\/*]+', element)) and element.lower() != "null"


class NoListError(ValueError):
    """The setting is no list; `element` is the first part of it that is no id."""

    def __init__(self, element: str) -> None:
        super().__init__(element)
        self.element = element


_BLANKS = " \t\n\v\f\r"


def organizations_asked_for(setting: str) -> frozenset[str] | None:
    """What the setting asks for; None for everybody.

    Raises:
        NoListError: it is neither a list nor `*`.
    """
    text = setting.strip(_BLANKS)
    if text == "*":
        return None
    if len(text) >= 2 and text[0] == "{" and text[-1] == "}":
        text = text[1:-1].strip(_BLANKS)
    found = set()
    while text or found:
        element, text, is_last = _first_element(text)
        found.add(element)
        if is_last:
            break
    return frozenset(found)


def _first_element(text: str) -> tuple[str, str, bool]:
    """The first id of a list, what is behind its comma, and whether there is no comma."""
    # up to the comma; one between a quote and its end is no end of the element
    raw = re.match(r'[^",]*"(?:[^"\\]|\\.)*"[^",]*(?=,|\Z)|[^,]*', text, re.DOTALL)[0]
    rest, is_last = text[len(raw) + 1 :], len(raw) == len(text)
    element = raw.strip(_BLANKS)
    if quoted := re.fullmatch(r'"((?:[^"\\/]|\\[^/])+)"', element, re.DOTALL):
        return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), rest, is_last
    if not is_bare(element):
        raise NoListError(element)
    return element, rest, is_last
