"""Nothing published lacks its description, contract, grain, scope, origin or tests. Figures say how many.

The figures are printed at the end of a run of the tests (conftest.py).
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from timeback_analytics.cli import main
from timeback_analytics.coverage import coverage
from timeback_analytics.errors import TimebackError

MODEL = "model.timeback_analytics."


def test_nothing_is_missing(manifest, record_property):
    found = coverage(manifest)
    for line in found.summary():
        record_property("coverage", line)
    assert found.gaps == []
    for dataset in found.datasets:
        assert dataset.described == dataset.contracted == dataset.with_origin == dataset.columns > 0
        assert dataset.tests > 0


def test_the_figures_are_the_manifests(manifest):
    """Counted again in another way."""
    found = coverage(manifest)
    tests = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node["config"]["enabled"]
    ]
    of_models = sum(sum(layer.values()) for layer in found.tests_of_models.values())
    assert of_models + found.source_tests + found.other_tests == len(tests) + len(manifest["unit_tests"])
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert sum(map(len, found.tests_of_models.values())) == len(models)
    published = [node for node in models if node["access"] == "public"]
    assert {dataset.name: dataset.columns for dataset in found.datasets} == {
        node["name"]: len(node["columns"]) for node in published
    }
    assert f"{len(published)} datasets, " in found.summary()[0]
    assert " (100%) described, " in found.summary()[0]


def _without_tests_of(model: str, *names: str) -> Callable[[dict[str, Any]], None]:
    def take_out(manifest: dict[str, Any]) -> None:
        nodes = manifest["nodes"]
        for unique_id, node in list(nodes.items()):
            of_model = node.get("attached_node") == MODEL + model
            if of_model and (not names or node["test_metadata"]["name"] in names):
                del nodes[unique_id]

    return take_out


def _change(model: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["nodes"][MODEL + model].update(values)


def _change_column(model: str, column: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["nodes"][MODEL + model]["columns"][column].update(values)


def _unwatch(model: str) -> Callable[[dict[str, Any]], None]:
    def take_out(manifest: dict[str, Any]) -> None:
        guard = next(n for n in manifest["nodes"].values() if n["name"] == "scoped_datasets_show_rows")
        guard["depends_on"]["nodes"].remove(MODEL + model)

    return take_out


GAPS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "description": (_change("grades", description=" "), "grades: no description"),
    "contract": (
        lambda manifest: manifest["nodes"][MODEL + "grades"]["config"]["contract"].update(enforced=False),
        "grades: its contract is not enforced",
    ),
    "column's description": (
        _change_column("grades", "id", description=""),
        "grades: id has no description",
    ),
    "column's type": (_change_column("grades", "id", data_type=None), "grades: id has no type"),
    "column's origin": (_change_column("grades", "id", config={"meta": {}}), "grades: id has no origin"),
    "grain": (
        _without_tests_of("attempts", "unique_grain"),
        "attempts: no unique or unique_grain test of its grain, student_id, resource_id",
    ),
    "grain of one column": (
        _without_tests_of("sessions", "unique"),
        "sessions: no unique or unique_grain test of its grain, id",
    ),
    "guard": (
        _unwatch("sessions"),
        "sessions: scoped, and not among the datasets that tests/scoped_datasets_show_rows.sql watches",
    ),
    "guard of what is scoped on demand": (
        _unwatch("class_enrollments"),
        "class_enrollments: scoped, and not among the datasets that"
        " tests/scoped_datasets_show_rows.sql watches",
    ),
    "test of org_ids": (
        _without_tests_of("sessions", "sorted_distinct_array"),
        "sessions: no sorted_distinct_array test of org_ids",
    ),
    "scope": (
        lambda manifest: manifest["nodes"][MODEL + "sessions"]["config"]["meta"].pop("scope"),
        "sessions: org_ids and config.meta.scope go together",
    ),
    "test": (_without_tests_of("questions"), "questions: no test"),
}


@pytest.mark.parametrize(("take_out", "said"), GAPS.values(), ids=GAPS)
def test_what_is_missing_is_named(manifest, take_out, said):
    broken = {**manifest, "nodes": copy.deepcopy(manifest["nodes"])}
    take_out(broken)
    assert said in coverage(broken).gaps


def test_the_command_prints_every_dataset_and_fails_on_a_gap(manifest, tmp_path: Path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    result = CliRunner().invoke(main, ["coverage", "--manifest", str(path)])
    assert result.exit_code == 0, result.output
    found = coverage(manifest)
    for dataset in found.datasets:
        assert f"\n{dataset.name} " in result.output
    for line in found.summary():
        assert line in result.output

    broken = {**manifest, "nodes": copy.deepcopy(manifest["nodes"])}
    GAPS["grain"][0](broken)
    path.write_text(json.dumps(broken))
    result = CliRunner().invoke(main, ["coverage", "--manifest", str(path)])
    assert result.exit_code == 1
    assert GAPS["grain"][1] in result.output


def test_a_manifest_without_datasets_is_refused():
    with pytest.raises(TimebackError, match="dbt parse"):
        coverage({"nodes": {}, "unit_tests": {}})
