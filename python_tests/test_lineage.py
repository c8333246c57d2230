"""Where published columns come from: the lineage itself on small queries, then the project's."""

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
from timeback_analytics.errors import TimebackError
from timeback_analytics.lineage import parsed, published_lineage, tables_read

SOURCES = {
    "pupil": ["id", "name", "nickname", "class_id", "score"],
    "room": ["id", "title", "rank", "is_open"],
    "visit": ["pupil_id", "room_id", "made_at", "tags"],
}


def small_manifest(**models: str) -> dict[str, Any]:
    """A manifest with the sources above in schema `op` and these models in `pub`; the last is published."""
    last = list(models)[-1]
    return {
        "nodes": {
            f"model.p.{name}": {
                "unique_id": f"model.p.{name}",
                "name": name,
                "alias": name,
                "schema": "pub",
                "resource_type": "model",
                "fqn": ["p", "datasets" if name == last else "intermediate", name],
                "compiled_code": sql,
            }
            for name, sql in models.items()
        },
        "sources": {
            f"source.p.op.{name}": {
                "name": name,
                "identifier": name,
                "schema": "op",
                "resource_type": "source",
                "columns": {column: {} for column in columns},
            }
            for name, columns in SOURCES.items()
        },
    }


def lineage_of(**models: str) -> dict[str, list[str]]:
    """column -> its lineage, of the last of these models."""
    return published_lineage(small_manifest(**models))[list(models)[-1]]


@pytest.mark.parametrize(
    ("query", "lineage"),
    {
        "a name of its own": ("select id as pupil_id from db.op.pupil", ["pupil.id"]),
        "an expression": (
            "select trim(name) || nickname as n from db.op.pupil",
            ["pupil.name", "pupil.nickname"],
        ),
        "nothing": ("select 'x' as n from db.op.pupil", []),
        "case: the conditions too": (
            "select case when score > 1 then name end as n from db.op.pupil",
            ["pupil.name", "pupil.score"],
        ),
        "a filter is not in it": ("select name as n from db.op.pupil where score > 1", ["pupil.name"]),
        "an outer join is not in it": (
            "select p.name as n from db.op.pupil as p left join db.op.room as r on p.class_id = r.id",
            ["pupil.name"],
        ),
        "an inner join equates": (
            "select p.class_id as n from db.op.pupil as p"
            " inner join db.op.room as r on p.class_id = r.id and r.is_open",
            ["pupil.class_id", "room.id"],
        ),
        "so does where": (
            "select p.class_id as n from db.op.pupil as p, db.op.room as r where r.id = p.class_id",
            ["pupil.class_id", "room.id"],
        ),
        "and it goes on": (
            "select v.pupil_id as n from db.op.visit as v join db.op.pupil as p on v.pupil_id = p.id"
            " join db.op.room as r on p.id = r.rank",
            ["pupil.id", "room.rank", "visit.pupil_id"],
        ),
        "but not across a full join": (
            "select p.class_id as n from db.op.pupil as p join db.op.room as r on p.class_id = r.id"
            " full join db.op.visit as v on v.pupil_id = p.id",
            ["pupil.class_id"],
        ),
        "an anti join is not in it": (
            "select name as n from db.op.pupil as p"
            " where not exists (select from db.op.visit as v where v.pupil_id = p.id)",
            ["pupil.name"],
        ),
        "exists as a value: all that it reads": (
            "select exists (select from db.op.visit as v where v.pupil_id = p.id) as n from db.op.pupil as p",
            ["pupil.id", "visit.pupil_id"],
        ),
        "a scalar subquery: its order too": (
            "select (select v.room_id from db.op.visit as v where v.pupil_id = p.id"
            " order by v.made_at limit 1) as n from db.op.pupil as p",
            ["pupil.id", "visit.made_at", "visit.pupil_id", "visit.room_id"],
        ),
        "array of a subquery": (
            "select array(select distinct tags from db.op.visit where pupil_id = p.id) as n"
            " from db.op.pupil as p",
            ["pupil.id", "visit.pupil_id", "visit.tags"],
        ),
        "a subquery in a subquery": (
            "select (select r.title from db.op.room as r"
            "  where exists (select from db.op.visit as v where v.room_id = r.id and v.pupil_id = p.id)) as n"
            " from db.op.pupil as p",
            ["pupil.id", "room.id", "room.title", "visit.pupil_id", "visit.room_id"],
        ),
        "lateral": (
            "select x.n from db.op.pupil as p cross join lateral"
            " (select v.made_at as n, v.tags from db.op.visit as v where v.pupil_id = p.id) as x",
            ["visit.made_at"],
        ),
        "lateral over a union, by place": (
            "select x.n from db.op.pupil as p cross join lateral"
            " (select v.tags, v.made_at as n from db.op.visit as v"
            " union all select null, null where false) as x",
            ["visit.made_at"],
        ),
        "lateral values, by place": (
            "select x.b as n from db.op.pupil as p cross join lateral"
            " (values (p.id, p.name), (p.score, p.nickname)) as x (a, b)",
            ["pupil.name", "pupil.nickname"],
        ),
        "unnest": (
            "select x.tag as n from db.op.visit as v cross join lateral unnest(v.tags) as x (tag)",
            ["visit.tags"],
        ),
        "union all, by place": (
            "select id, name as n from db.op.pupil union all select rank, title from db.op.room",
            ["pupil.name", "room.title"],
        ),
        "except": (
            "select name as n from db.op.pupil except select title from db.op.room",
            ["pupil.name", "room.title"],
        ),
        "a window": (
            "select max(score) over (partition by class_id order by name) as n from db.op.pupil",
            ["pupil.class_id", "pupil.name", "pupil.score"],
        ),
        "an aggregate with filter and order": (
            "select array_agg(name order by nickname) filter (where score > 1) as n"
            " from db.op.pupil group by class_id",
            ["pupil.name", "pupil.nickname", "pupil.score"],
        ),
        "count(*): what tells rows apart": (
            "with pair as (select distinct pupil_id, room_id from db.op.visit)"
            " select count(*) as n from pair where room_id > 1 group by pupil_id",
            ["visit.pupil_id", "visit.room_id"],
        ),
        "count(*) with a filter: the filter": (
            "select count(*) filter (where score > 1) as n from db.op.pupil",
            ["pupil.score"],
        ),
        "distinct on: what chooses": (
            "select distinct on (class_id) name as n from db.op.pupil order by class_id, score desc",
            ["pupil.class_id", "pupil.name", "pupil.score"],
        ),
        "order alone chooses nothing": ("select name as n from db.op.pupil order by score", ["pupil.name"]),
        "a CTE that has a table's name": (
            "with pupil as (select title as name from db.op.room) select name as n from pupil",
            ["room.title"],
        ),
        "a CTE that names its columns": (
            "with x (a, n) as (select id, name from db.op.pupil) select n from x",
            ["pupil.name"],
        ),
        "a derived table": ("select n from (select title as n from db.op.room) as x", ["room.title"]),
        "a column that only one table has": (
            "select title as n from db.op.pupil, db.op.room where is_open",
            ["room.title"],
        ),
    }.values(),
    ids=lambda value: None if isinstance(value, list) else value[:40],
)
def test_lineage_of_one_column(query, lineage):
    assert lineage_of(dataset=query)[(list(lineage_of(dataset=query)))[-1]] == lineage


def test_lineage_goes_through_models():
    assert lineage_of(
        base="select id, name as label, score from db.op.pupil",
        middle="select b.label as n,"
        " (select max(v.made_at) from db.op.visit as v where v.pupil_id = b.id) as m from db.pub.base as b",
        top="select middle.n, middle.m from db.pub.middle as middle",
    ) == {"n": ["pupil.name"], "m": ["pupil.id", "visit.made_at", "visit.pupil_id"]}


def test_lineage_opens_a_star():
    assert lineage_of(base="select id, name from db.op.pupil", top="select * from db.pub.base") == {
        "id": ["pupil.id"],
        "name": ["pupil.name"],
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select x.n from db.elsewhere.thing as x", "elsewhere.thing is neither a model nor a source"),
        ("select n from", "SQL of model dataset is not understood"),
        ("drop table x", "SQL of model dataset is no query"),
        (None, "Model dataset is not compiled.*dbt compile"),
    ],
)
def test_what_cannot_be_followed_is_named(query, message):
    with pytest.raises(TimebackError, match=message):
        lineage_of(dataset=query)


def test_a_manifest_that_is_not_there_is_asked_for(tmp_path):
    with pytest.raises(TimebackError, match="dbt compile"):
        read_manifest(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(TimebackError, match="no JSON"):
        read_manifest(tmp_path / "manifest.json")


# -- the project ----------------------------------------------------------------------------------


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
