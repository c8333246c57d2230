"""The hand-made rows of demo/edge_cases: whatever the documentation or a rule treats specially.

A file is YAML: a table's name, then its rows, each with the columns that matter and `shows`, which says what
the row is there for. demo/edge_cases/README.md says how a row names an id.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timeback_analytics.demo.applications import app_id
from timeback_analytics.demo.ids import uid
from timeback_analytics.demo.insights import insight_type_id
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.source_files import demo_dir, read_yaml

_DEFAULTS = "_defaults.yml"
_SHOWS = "shows"
_NAMED_ID = re.compile(r"\b(id|app|insight_type)\(([^()]*)\)")
_MAKE_ID = {"id": lambda name: uid("edge case", name), "app": app_id, "insight_type": insight_type_id}


@dataclass(frozen=True)
class EdgeCase:
    """One hand-made row.

    Attributes:
        file: name of the file that it is in.
        table: the operational table.
        shows: what it is there for.
        values: the row; a column that is not named is null.
    """

    file: str
    table: str
    shows: str
    values: dict[str, Any]


def edge_cases() -> list[EdgeCase]:
    """Every hand-made row, ids resolved, in the order of files.

    Raises:
        ValueError: a row does not say what it shows; it names the file and the row.
    """
    folder = demo_dir() / "edge_cases"
    defaults: dict[str, dict[str, Any]] = read_yaml(folder / _DEFAULTS)
    return [case for path in sorted(folder.glob("[!_]*.yml")) for case in _of_file(path, defaults)]


def _of_file(path: Path, defaults: dict[str, dict[str, Any]]) -> list[EdgeCase]:
    cases = []
    for table, rows in read_yaml(path).items():
        for row in rows:
            if not row.get(_SHOWS):
                raise ValueError(f"{path.name}: this row of {table} does not say what it {_SHOWS}: {row}")
            values = {
                **defaults.get(table, {}),
                **{key: value for key, value in row.items() if key != _SHOWS},
            }
            resolved = {column: _resolve(value) for column, value in values.items()}
            cases.append(EdgeCase(path.name, table, row[_SHOWS], resolved))
    return cases


def _resolve(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _NAMED_ID.sub(lambda match: str(_MAKE_ID[match[1]](match[2])), value)


def add_edge_cases(rows: OperationalRows) -> int:
    """Add every hand-made row; returns how many.

    Raises:
        ValueError: a row names a table or a column that is not there; it names the file and the row.
    """
    cases = edge_cases()
    for case in cases:
        try:
            rows.add(case.table, **case.values)
        except ValueError as error:
            raise ValueError(f"{case.file}, “{case.shows}”: {error}") from error
    return len(cases)
