"""OneRoster over REST: records on their way into a CSV bundle, and back from its problems to the JSON."""

import csv
import re
from pathlib import Path
from typing import Any

from timeback_analytics.load.formats._json_records import Record
from timeback_analytics.load.formats._rest_collections import COLLECTIONS
from timeback_analytics.load.problems import Problems

VERSION = "1.2"
_FILE = re.compile(r"\b(\w+)\.csv\b")
_LINE = re.compile(r"\blines? (\d+)\b")
_MANIFEST_NAMES = (
    *("academicSessions", "categories", "classes", "classResources", "courses", "courseResources"),
    *("demographics", "enrollments", "lineItems", "orgs", "resources", "results", "roles", "users"),
)


class Places:
    """Problems of a bundle, told as ones of the JSON that it was made of.

    Everything else is as with the Problems themselves.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._records: dict[str, list[Record]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problems, name)

    def put(self, file: str, record: Record) -> None:
        """Say of which record the next line of a file is made."""
        self._records.setdefault(file, []).append(record)

    def add(self, file: str, reason: str, remedy: str = "", **place: Any) -> None:
        """See Problems.add."""
        name, reason, remedy, place = self._of_json(file, reason, remedy, place)
        self._problems.add(name, reason, remedy, **place)

    def reject(self, file: str, reason: str, remedy: str = "", **place: Any) -> None:
        """See Problems.reject."""
        record = self._record(file, place.get("line"))
        name, reason, remedy, place = self._of_json(file, reason, remedy, place)
        if record is not None:
            place["record"] = (record.line, record.column)
        self._problems.reject(name, reason, remedy, **place)

    def count(self, file: str, records: int = 1) -> None:
        """Nothing: the records were counted when they were read."""

    def told(self, text: str, file: str = "") -> str:
        """A message about a file of the bundle, else about the first that it names, as one about the JSON."""
        named = _FILE.search(text)
        file = file or (named[0] if named else "")

        def place(found: re.Match[str]) -> str:
            record = self._record(file, int(found[1]))
            return found[0] if record is None else _place(record)

        return _FILE.sub(r"\1", _LINE.sub(place, text) if file else text)

    def _record(self, file: str, line: int | None) -> Record | None:
        records = self._records.get(file.removesuffix(".csv"), [])
        # the header is line 1
        return records[line - 2] if line is not None and 2 <= line < len(records) + 2 else None

    def _of_json(
        self, file: str, reason: str, remedy: str, place: dict[str, Any]
    ) -> tuple[str, str, str, dict[str, Any]]:
        reason, remedy = self.told(reason, file), self.told(remedy, file)
        record = self._record(file, place.get("line"))
        if record is None:
            return self.told(file), reason, remedy, place
        members = COLLECTIONS[file.removesuffix(".csv")].columns
        column = place.get("column")
        member = members[column][0] if column in members else column
        at = record.column or ("$" if member else None)
        told = {**place, "line": record.line, "column": f"{at}.{member}" if member else at}
        return record.file, reason, remedy, told


def _place(record: Record) -> str:
    parts = [record.file, f"line {record.line}" if record.line else "", record.column or ""]
    return ", ".join(filter(None, parts))


def write_bundle(folder: Path, lines: dict[str, list[list[str]]]) -> None:
    """Write a bundle with a manifest.

    Args:
        folder: where.
        lines: the lines of each file that the bundle is to have.
    """
    properties = [
        ("propertyName", "value"),
        ("manifest.version", "1.0"),
        ("oneroster.version", VERSION),
        *((f"file.{name}", "bulk" if name in lines else "absent") for name in _MANIFEST_NAMES),
    ]
    _write(folder / "manifest.csv", properties)
    for name, records in lines.items():
        _write(folder / f"{name}.csv", [list(COLLECTIONS[name].header), *records])


def _write(path: Path, records: list[Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(records)
