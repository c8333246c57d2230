"""How much of the catalog is described, contracted and tested by dbt, told from dbt's manifest alone.

Beside dbt's tests stand those in Python, which the manifest knows nothing of: every dataset is computed a
second time there, and every column compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from timeback_analytics.catalog.manifest import may_be_scoped, published_models
from timeback_analytics.errors import TimebackError

LAYERS = ("datasets", "metrics", "intermediate", "staging")


@dataclass(frozen=True)
class DatasetCoverage:
    """One published dataset. The columns are counted that have what the name says."""

    name: str
    columns: int
    described: int
    contracted: int
    """With a type, in a dataset whose contract dbt enforces."""
    with_origin: int
    tested: int
    """Named by a data test or a unit test, of the dataset or of the model whose rows it shows."""
    untested: tuple[str, ...]
    """The names of the columns that no dbt test names."""
    tests: int
    """The data tests and unit tests of the dataset."""
    gaps: tuple[str, ...]
    """What every dataset must have and this one has not."""


@dataclass(frozen=True)
class Coverage:
    """The whole catalog."""

    datasets: tuple[DatasetCoverage, ...]
    tests_of_models: Mapping[str, Mapping[str, int]]
    """layer -> model -> its data tests and unit tests."""
    source_tests: int
    """Data tests of operational tables, which warn, and of seeds."""
    other_tests: int
    """Data tests that belong to no single model."""

    @property
    def gaps(self) -> list[str]:
        """What is missing, a line each; empty when nothing is."""
        return [f"{dataset.name}: {gap}" for dataset in self.datasets for gap in dataset.gaps]

    def summary(self) -> list[str]:
        """The figures, a line each."""
        columns = sum(dataset.columns for dataset in self.datasets)

        def share(count: int) -> str:
            return f"{count} ({100 * count / columns:.0f}%)" if columns else "0"

        described, contracted, with_origin, tested = (
            share(sum(getattr(dataset, name) for dataset in self.datasets))
            for name in ("described", "contracted", "with_origin", "tested")
        )
        lines = [
            f"{len(self.datasets)} datasets, {columns} columns: {described} described, {contracted} under "
            f"contract, {with_origin} with an origin, {tested} named by a dbt test",
        ]
        for layer, tests in self.tests_of_models.items():
            counts = sorted(tests.values())
            if counts:
                untested = counts.count(0)
                lines.append(
                    f"{sum(counts)} dbt tests of the {len(counts)} models in {layer}: {counts[0]} to "
                    f"{counts[-1]} each, {median(counts):g} in the middle"
                    + (f", {untested} without" if untested else "")
                )
        lines.append(
            f"{self.source_tests} dbt tests of sources and seeds, {self.other_tests} of several models"
        )
        return lines


def coverage(manifest: Mapping[str, Any]) -> Coverage:
    """What a manifest, parsed or compiled, says.

    Raises:
        TimebackError: it lists no published dataset.
    """
    datasets = published_models(manifest)
    if not datasets:
        raise TimebackError("The manifest lists no published dataset. `dbt parse` writes it again.")
    tests = _Tests(manifest)
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return Coverage(
        datasets=tuple(_of_dataset(node, tests, manifest) for node in datasets),
        tests_of_models={
            layer: {
                node["name"]: tests.count(node["unique_id"])
                for node in sorted(models, key=lambda node: node["name"])
                if layer in node["fqn"]
            }
            for layer in LAYERS
        },
        source_tests=tests.of_sources,
        other_tests=tests.of_several,
    )


class _Tests:
    """The tests of a manifest, by the model that each is of."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self.data: dict[str, list[Mapping[str, Any]]] = {}
        self.of_sources = 0
        self.of_several = 0
        self.guarded: set[str] = set()
        """The models that scoped_datasets_show_rows watches."""
        for node in manifest["nodes"].values():
            # dbt lists tests of models that are switched off, too
            if node["resource_type"] != "test" or not node["config"]["enabled"]:
                continue
            reads = node["depends_on"]["nodes"]
            if node["name"] == "scoped_datasets_show_rows":
                self.guarded = set(reads)
            model = node.get("attached_node")
            if model is None and not node.get("test_metadata") and len(reads) == 1:
                (model,) = reads
            if model and model.startswith("model."):
                self.data.setdefault(model, []).append(node)
            elif model or (node.get("test_metadata") and node["sources"]):
                self.of_sources += 1
            else:
                self.of_several += 1
        self.unit: dict[str, list[Mapping[str, Any]]] = {}
        for test in manifest["unit_tests"].values():
            for unique_id in test["depends_on"]["nodes"]:
                if unique_id.endswith(f".{test['model']}"):
                    self.unit.setdefault(unique_id, []).append(test)

    def count(self, model: str) -> int:
        """How many there are of a model."""
        return len(self.data.get(model, ())) + len(self.unit.get(model, ()))

    def columns(self, model: str) -> set[str]:
        """The names of the columns that they name, and of other things in their expressions."""
        found: set[str] = set()
        for test in self.data.get(model, ()):
            arguments = (test.get("test_metadata") or {}).get("kwargs", {})
            found.update(filter(None, [arguments.get("column_name"), *arguments.get("columns", ())]))
            found.update(re.findall(r"\w+", arguments.get("expression", "")))
        for test in self.unit.get(model, ()):
            found.update(name for row in test["expect"]["rows"] or () for name in row)
        return found

    def keys(self, model: str) -> list[set[str]]:
        """The sets of columns that are tested to be unique."""
        kinds = [test["test_metadata"] for test in self.data.get(model, ()) if test.get("test_metadata")]
        return [{kind["kwargs"]["column_name"]} for kind in kinds if kind["name"] == "unique"] + [
            set(kind["kwargs"]["columns"]) for kind in kinds if kind["name"] == "unique_grain"
        ]

    def has(self, model: str, name: str, column: str) -> bool:
        """Whether a column has a generic test of this name."""
        return any(
            test["test_metadata"]["name"] == name and test.get("column_name") == column
            for test in self.data.get(model, ())
            if test.get("test_metadata")
        )


def _of_dataset(node: Mapping[str, Any], tests: _Tests, manifest: Mapping[str, Any]) -> DatasetCoverage:
    unique_id, columns = node["unique_id"], node["columns"]
    is_enforced = node["config"]["contract"]["enforced"]
    tested = tests.columns(unique_id)
    for behind in node["depends_on"]["nodes"]:
        # a dataset shows the columns of the model behind it as they are
        if manifest["nodes"].get(behind, {}).get("resource_type") == "model":
            tested |= tests.columns(behind)
    return DatasetCoverage(
        name=node["name"],
        columns=len(columns),
        described=sum(bool(column["description"].strip()) for column in columns.values()),
        contracted=sum(bool(is_enforced and column["data_type"]) for column in columns.values()),
        with_origin=sum(bool(column["config"]["meta"].get("origin")) for column in columns.values()),
        tested=len(columns.keys() & tested),
        untested=tuple(name for name in columns if name not in tested),
        tests=tests.count(unique_id),
        gaps=tuple(_gaps(node, tests)),
    )


def _gaps(node: Mapping[str, Any], tests: _Tests) -> Iterator[str]:
    unique_id, meta = node["unique_id"], node["config"]["meta"]
    if not node["description"].strip():
        yield "no description"
    if not node["config"]["contract"]["enforced"]:
        yield "its contract is not enforced"
    if not tests.count(unique_id):
        yield "no test"
    grain = meta.get("grain")
    if grain and set(grain) not in tests.keys(unique_id):
        yield f"no unique or unique_grain test of its grain, {', '.join(grain)}"
    if ("org_ids" in node["columns"]) != ("scope" in meta):
        yield "org_ids and config.meta.scope go together"
    if may_be_scoped(node) and unique_id not in tests.guarded:
        yield "scoped, and not among the datasets that tests/scoped_datasets_show_rows.sql watches"
    if "scope" in meta and not tests.has(unique_id, "sorted_distinct_array", "org_ids"):
        yield "no sorted_distinct_array test of org_ids"
    for column in node["columns"].values():
        if not column["description"].strip():
            yield f"{column['name']} has no description"
        if not column["data_type"]:
            yield f"{column['name']} has no type"
        if not column["config"]["meta"].get("origin"):
            yield f"{column['name']} has no origin"
