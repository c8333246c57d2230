"""ROAR documents that try to break the datasets: every kind of value in every field."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from expectation.roar import Document, ids_of, places, roar_facts

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
