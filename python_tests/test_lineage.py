"""Where the project's published columns come from: the lineage, the documented origins, the scope."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlglot import exp

from timeback_analytics.catalog.manifest import models_behind, published_models, read_manifest
from timeback_analytics.cli import main
from timeback_analytics.lineage import parsed, published_lineage, tables_read


@pytest.fixture(scope="module")
def manifest_path(
    catalog_template: str, dbt: Callable[..., Any], short_tmp: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The project's manifest with compiled SQL, in a folder of its own."""
    dbt(catalog_template, "compile")
    path = tmp_path_factory.mktemp("lineage") / "manifest.json"
    path.write_bytes((short_tmp / "target" / "manifest.json").read_bytes())
    return path


@pytest.fixture(scope="module")
def compiled(manifest_path: Path) -> dict[str, Any]:
    """That manifest."""
    return read_manifest(manifest_path)


@pytest.fixture(scope="module")
def lineage(compiled: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """The lineage of everything that is published."""
    return published_lineage(compiled)


def origins(compiled: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """(dataset, column) -> the documented origin."""
    return {
        (node["name"], name): set(column["config"]["meta"].get("origin", ()))
        for node in published_models(compiled)
        for name, column in node["columns"].items()
    }


def test_the_lineage_holds_the_documented_columns_in_order(compiled, lineage):
    assert {name: list(columns) for name, columns in lineage.items()} == {
        node["name"]: list(node["columns"]) for node in published_models(compiled)
    }


def test_every_documented_origin_is_in_the_lineage(compiled, lineage):
    beyond = {
        f"{dataset}.{column}": sorted(documented - set(lineage[dataset][column]))
        for (dataset, column), documented in origins(compiled).items()
        if documented - set(lineage[dataset][column])
    }
    assert beyond == {}


def test_every_column_comes_from_somewhere(compiled, lineage):
    """And from columns that the operational tables have."""
    known = {
        f"{source['name']}.{column}"
        for source in compiled["sources"].values()
        for column in source["columns"]
    }
    for dataset, columns in lineage.items():
        for column, found in columns.items():
            assert found, (dataset, column)
            assert set(found) <= known, (dataset, column)
            assert origins(compiled)[dataset, column], (dataset, column)


@pytest.mark.parametrize("column", ["students.id", "guides.id"])
def test_people_are_those_of_the_user_table(lineage, column):
    dataset, name = column.split(".")
    assert "one_roster_user.id" in lineage[dataset][name]


def test_org_ids_are_those_of_memberships(lineage):
    """Of them alone: an organization comes into org_ids by a membership and in no other way."""
    emitting = {dataset: columns["org_ids"] for dataset, columns in lineage.items() if "org_ids" in columns}
    of_roar = {dataset for dataset in emitting if dataset.startswith("roar_")}
    assert len(of_roar) == 8
    assert len(emitting) >= 28
    for dataset, origins in emitting.items():
        assert origins == (["roar_document.data"] if dataset in of_roar else ["one_roster_role.org_id"]), (
            dataset
        )


def test_personal_details_are_where_they_are_documented(lineage):
    """Emails and usernames lead nowhere but to the two columns that are documented to show them."""

    def shown_in(origin: str) -> set[str]:
        return {
            f"{dataset}.{name}"
            for dataset, of in lineage.items()
            for name, found in of.items()
            if origin in found
        }

    assert shown_in("one_roster_user.email") == {"students.email", "guides.email"}
    assert shown_in("one_roster_user.username") == set()


def test_no_dataset_reads_a_source(compiled):
    """Nor any other relation than a model of the internal schema, told by its SQL and by dbt."""
    models = {
        (node["schema"], node["alias"]): node
        for node in compiled["nodes"].values()
        if node["resource_type"] == "model"
    }
    for node in published_models(compiled):
        assert not any(unique_id.startswith("source.") for unique_id in node["depends_on"]["nodes"])
        read = tables_read(parsed(node))
        assert read, node["name"]
        for relation in read:
            assert relation in models, (node["name"], relation)
            assert "datasets" not in models[relation]["fqn"], (node["name"], relation)


def is_of_the_scope(unique_id: str) -> bool:
    """Whether a model says who is asking, or who belongs where."""
    return unique_id.endswith(("caller_scope", "current_organization"))


def test_every_scoped_dataset_goes_through_the_scope_macro(compiled):
    """And whatever shows org_ids is a scoped one."""
    macro = "macro.timeback_analytics.scoped"
    by_demand = "macro.timeback_analytics.scope_student_rows"
    scoped = 0
    for node in published_models(compiled):
        meta, needs = node["config"]["meta"], node["depends_on"]
        if "scope" in meta:
            scoped += 1
            assert macro in needs["macros"], node["name"]
            scope_models = {unique_id for unique_id in needs["nodes"] if is_of_the_scope(unique_id)}
            other_forms = {
                unique_id
                for unique_id in needs["nodes"]
                if "same_rows_as" in compiled["nodes"][unique_id]["config"]["meta"]
            }
            assert len(other_forms) <= (node["name"] == "attempts"), node["name"]
            assert len(scope_models) == 2 == len(needs["nodes"]) - 1 - len(other_forms), node["name"]
            # each by its own setting
            is_of_roar = meta.get("scope_setting") == "app.allowed_roar_org_ids"
            assert is_of_roar == all("int_roar_" in unique_id for unique_id in scope_models), node["name"]
            # called once and for the whole: nothing of the dataset's own is beside it
            assert node["raw_code"].strip().startswith("{{ scoped("), node["name"]
            assert node["raw_code"].strip().endswith(") }}"), node["name"]
        elif "scope_when" in meta:
            assert by_demand in needs["macros"], node["name"]
            assert node["raw_code"].strip().startswith("{{ scope_student_rows("), node["name"]
        if {"scope", "scope_when"} & meta.keys():
            (behind,) = models_behind(node, compiled)
            assert not is_of_the_scope(behind["unique_id"]), node["name"]
        assert ("org_ids" in node["columns"]) == ("scope" in meta), node["name"]
    assert scoped >= 20


def test_the_guard_of_dbts_tests_looks_behind_every_scoped_dataset(compiled):
    """At the models that timeback check and the job look at; a macro tells it."""
    guard = compiled["nodes"]["test.timeback_analytics.scoped_datasets_show_rows"]["compiled_code"]
    found = re.findall(r"select '(\w+)' as dataset\s+where\s+exists \(select 1 from ([^)]+)\)", guard)
    wanted = [
        (node["name"], behind["relation_name"])
        for node in published_models(compiled)
        if {"scope", "scope_when"} & node["config"]["meta"].keys()
        for behind in models_behind(node, compiled)
    ]
    assert found == wanted


def test_no_model_selects_a_star(compiled):
    for node in compiled["nodes"].values():
        if node["resource_type"] == "model":
            for select in parsed(node).find_all(exp.Select):
                assert not any(column.is_star for column in select.selects), node["name"]


def test_the_command_writes_the_lineage(manifest_path, lineage, tmp_path):
    output = tmp_path / "lineage.json"
    result = CliRunner().invoke(main, ["lineage", "--manifest", str(manifest_path), "--output", str(output)])
    assert result.exit_code == 0, result.output
    assert json.loads(output.read_text()) == lineage
    assert str(output) in result.output
    assert f"{len(lineage)} datasets" in result.output

    result = CliRunner().invoke(main, ["lineage", "--manifest", str(manifest_path)])
    assert result.exit_code == 0, result.output
    assert json.loads(manifest_path.with_name("lineage.json").read_text()) == lineage


def test_the_command_tells_what_is_missing(tmp_path):
    result = CliRunner().invoke(main, ["lineage", "--manifest", str(tmp_path / "none.json")])
    assert result.exit_code == 1
    assert "dbt compile" in result.output
