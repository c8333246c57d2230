"""What a failing test of a dataset comes from: keys of operational tables that do not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from timeback_analytics.catalog.names import SCOPE_SETTINGS
from timeback_analytics.job.dbt_runs import Result
from timeback_analytics.job.work import Work

SHOWN_ROWS = 5
_SENTENCES = {
    "unique": "{table}.{column} is not unique: {count:,} value{s} stand{v} in more than one row.",
    "not_null": "{table}.{column} is null in {count:,} row{s}.",
}


def causes_of(work: Work, failed: Sequence[Result], warned: Sequence[Result]) -> list[dict[str, Any]]:
    """Keys of sources that do not hold, and are read by what failed: sentence, rows, breaks.

    Args:
        work: of the job, with its manifest.
        failed: the tests that failed.
        warned: those that warned; tests of sources never fail, since operational rows are not ours.

    Returns:
        Those that break most first.
    """
    nodes = work.manifest.get("nodes", {})
    by_name = {node["name"]: node for node in nodes.values() if node["resource_type"] == "test"}
    reads = {one.name: _sources_below(by_name.get(one.name, {}), nodes) for one in failed}
    causes = []
    for one in (*failed, *warned):
        node = by_name.get(one.name, {})
        kind = (node.get("test_metadata") or {}).get("name")
        sources = [name for name in node.get("depends_on", {}).get("nodes", ()) if name.startswith("source.")]
        if kind not in _SENTENCES or len(sources) != 1:
            continue
        breaks = [name for name, below in reads.items() if sources[0] in below and name != one.name]
        if not breaks:
            continue
        count = one.failures or 0
        source = work.manifest["sources"][sources[0]]
        sentence = _SENTENCES[kind].format(
            table=f"{source['schema']}.{source['identifier']}",
            column=node.get("column_name"),
            count=count,
            s="" if count == 1 else "s",
            v="s" if count == 1 else "",
        )
        causes.append({"sentence": sentence, "rows": _rows(work, one), "breaks": sorted(breaks)})
    return sorted(causes, key=lambda cause: (-len(cause["breaks"]), cause["sentence"]))


def _sources_below(node: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The sources that a test reads, by way of whatever models."""
    found: set[str] = set()
    ahead = list(node.get("depends_on", {}).get("nodes", ()))
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += nodes.get(name, {}).get("depends_on", {}).get("nodes", ())
    return {name for name in found if name.startswith("source.")}


def _rows(work: Work, test: Result) -> list[str]:
    """A few of the rows that a test finds, a line each; none where they cannot be asked for."""
    if not test.sql:
        return []
    try:
        with work.catalog.session() as conn:
            for setting in SCOPE_SETTINGS:
                conn.execute("select set_config(%s, %s, false)", [setting, test.scope])
            conn.execute("set statement_timeout = '30s'")
            cursor = conn.execute(f"select * from (\n{test.sql}\n) as found limit {SHOWN_ROWS}".encode())
            names = [column.name for column in cursor.description or ()]
            return [
                ", ".join(f"{name}: {value}" for name, value in zip(names, row, strict=True))
                for row in cursor
            ]
    except psycopg.Error:
        return []
