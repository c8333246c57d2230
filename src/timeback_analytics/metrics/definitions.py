"""What dbt's manifest says of the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from timeback_analytics.errors import TimebackError


@dataclass(frozen=True)
class Breakdown:
    """A metric by something, as SQL over the datasets.

    Attributes:
        by: what it is grouped by, which is the first column's name; the second is `value`.
        group_by: the same as `timeback metrics query --by` takes it.
        sql: the query.
    """

    by: str
    group_by: str
    sql: str

    @property
    def ask(self) -> str:
        """The shortest that `timeback metrics query --by` takes for it."""
        return self.group_by.removeprefix("metric_time__")


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: dbt's.
        label: its name for people.
        description: what it means.
        kind: simple, ratio or derived.
        unit: of its values.
        additive: whether the values of several weeks or applications add up to that of all.
        synonyms: what others call it.
        traps: what it does not count, and what else to mind.
        sql: the same number by a query over the datasets, with one row and the column `value`.
        breakdown: the same by something.
        made_of: the metrics that it is calculated from.
        datasets: what is read for it.
    """

    name: str
    label: str
    description: str
    kind: str
    unit: str
    additive: bool
    synonyms: tuple[str, ...]
    traps: tuple[str, ...]
    sql: str
    breakdown: Breakdown
    made_of: tuple[str, ...]
    datasets: tuple[str, ...]


def read_metrics(manifest: Mapping[str, Any]) -> list[Metric]:
    """The metrics of a manifest, in the order of their files.

    Args:
        manifest: dbt's manifest.json.

    Raises:
        TimebackError: something is missing that every metric must say. All that is missing is named.
    """
    nodes = {
        unique_id: node
        for unique_id, node in manifest.get("metrics", {}).items()
        if node["config"].get("enabled", True)
    }
    if problems := [problem for node in nodes.values() for problem in _gaps(node)]:
        raise TimebackError("The metrics have gaps:\n" + "\n".join(f"  {problem}" for problem in problems))
    found = [_metric(node, manifest) for node in nodes.values()]
    return sorted(found, key=lambda metric: metric.label.lower())


def _gaps(node: Mapping[str, Any]) -> Iterator[str]:
    name, meta = node["name"], node["config"]["meta"]
    for key in ("label", "description"):
        if not str(node.get(key) or "").strip():
            yield f"{name}: no {key}"
    for key in ("unit", "sql"):
        if not str(meta.get(key) or "").strip():
            yield f"{name}: no config.meta.{key}"
    if not isinstance(meta.get("additive"), bool):
        yield f"{name}: config.meta.additive is neither true nor false"
    for key in ("synonyms", "traps"):
        if not meta.get(key) or not all(isinstance(text, str) for text in meta[key]):
            yield f"{name}: config.meta.{key} is not a list of texts; a colon in one wants quotes"
    if not {"by", "group_by", "sql"} <= (meta.get("breakdown") or {}).keys():
        yield f"{name}: config.meta.breakdown lacks by, group_by or sql"


def _metric(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> Metric:
    meta = node["config"]["meta"]
    breakdown = meta["breakdown"]
    return Metric(
        name=node["name"],
        label=node["label"],
        description=node["description"].strip(),
        kind=node["type"],
        unit=meta["unit"],
        additive=meta["additive"],
        synonyms=tuple(meta["synonyms"]),
        traps=tuple(meta["traps"]),
        sql=meta["sql"].strip(),
        breakdown=Breakdown(breakdown["by"], breakdown["group_by"], breakdown["sql"].strip()),
        made_of=tuple(
            manifest["metrics"][unique_id]["name"]
            for unique_id in node["depends_on"]["nodes"]
            if unique_id in manifest["metrics"]
        ),
        datasets=tuple(dict.fromkeys(_datasets(node, manifest))),
    )


def _datasets(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """The models that a metric or a semantic model reads, its metrics' included."""
    for unique_id in node["depends_on"]["nodes"]:
        for kind in ("metrics", "semantic_models"):
            if unique_id in manifest[kind]:
                yield from _datasets(manifest[kind][unique_id], manifest)
        if unique_id in manifest["nodes"]:
            yield manifest["nodes"][unique_id]["name"]
