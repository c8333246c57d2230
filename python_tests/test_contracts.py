"""The contracts, three ways: the documented facts, the dbt project (its manifest), and the database.

A dataset or a column that is new, renamed, moved, of another type, or without description, grain, origin,
contract or test fails here, whichever of the three says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from expectation.datasets import every_fact

PUBLISHED = "analytics"
INTERNAL = "analytics_internal"
DATASETS = sorted(every_fact())
COLUMNS = [(dataset, column) for dataset in DATASETS for column in every_fact()[dataset]["columns"]]

POSTGRES_NAMES = {"timestamptz": "timestamp with time zone", "bool": "boolean", "int": "integer"}
"""What PostgreSQL calls the types that the facts and the project name in short."""


def type_name(name: str) -> str:
    """A type as PostgreSQL writes it."""
    return POSTGRES_NAMES.get(name, name)


def plain(text: str | None) -> str:
    """A description in one line."""
    return " ".join((text or "").split())


# -- the dbt project ----------------------------------------------------------------------------------


def test_no_data_test_is_off_since_what_it_reads_is_gone(manifest):
    """dbt only warns of a test whose ref names nothing, and leaves the test out."""
    nodes = [*manifest["nodes"].values(), *(node for same in manifest["disabled"].values() for node in same)]
    known = {node["name"] for node in nodes if node["resource_type"] in ("model", "seed")}
    lost = {
        node["name"]: ref["name"]
        for node in nodes
        if node["resource_type"] == "test"
        for ref in node["refs"]
        if ref["name"] not in known
    }
    assert lost == {}


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The project's models that are published: name -> node of the manifest."""
    return {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and "datasets" in node["fqn"]
    }


@pytest.fixture(scope="module")
def tests_of(manifest: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """dataset -> the generic data tests attached to it."""
    tests: dict[str, list[dict[str, Any]]] = {dataset: [] for dataset in DATASETS}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node"):
            tests.setdefault(node["attached_node"].rsplit(".", 1)[-1], []).append(node)
    return tests


@pytest.fixture
def model(dataset: str, models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The model of the dataset that the test is about."""
    if dataset not in models:
        pytest.fail(f"models/datasets has no model {dataset}")
    return models[dataset]


def generic_tests(tests: list[dict[str, Any]], name: str, column: str | None = None) -> list[dict[str, Any]]:
    """The arguments of the tests of one kind, of one column if it is named."""
    return [
        test["test_metadata"]["kwargs"]
        for test in tests
        if test["test_metadata"]["name"] == name and column in (None, test.get("column_name"))
    ]


def test_the_project_publishes_the_documented_datasets(models):
    assert sorted(models) == DATASETS


@pytest.mark.parametrize("dataset", DATASETS)
def test_project_has_the_documented_columns(dataset, model):
    """Names, order, types and nullability are those of the facts."""
    documented = {
        column: (type_name(type_), nullability == "not null")
        for column, (_, type_, nullability) in every_fact()[dataset]["columns"].items()
    }
    declared = {
        name: (
            type_name(column["data_type"]),
            any(constraint["type"] == "not_null" for constraint in column["constraints"]),
        )
        for name, column in model["columns"].items()
    }
    assert list(declared.items()) == list(documented.items())


@pytest.mark.parametrize("dataset", DATASETS)
def test_project_declares_the_documented_meta(dataset, model):
    """Domain (which is also the folder), grain, scope and joins are those of the facts."""
    fact, meta = every_fact()[dataset], model["config"]["meta"]
    assert meta.get("domain") == fact["domain"] == model["fqn"][-2]
    assert meta.get("grain", []) == fact["grain"]
    assert meta.get("scope") == fact.get("scope")
    assert meta.get("joins", {}) == fact.get("joins", {})
    assert model["config"]["contract"]["enforced"], "the contract must be enforced"
    assert model["config"]["materialized"] == "view"
    if fact.get("deprecated"):
        assert model["deprecation_date"], "a deprecated dataset says when it goes"


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_is_described(dataset, model):
    assert_described(model["description"])


@pytest.mark.parametrize(("dataset", "column"), COLUMNS)
def test_every_column_is_described_and_has_an_origin(dataset, column, model, manifest):
    """A description of its own, and source columns that the project's sources have."""
    declared = model["columns"][column]
    assert_described(declared["description"])
    origins = declared["config"]["meta"].get("origin")
    assert origins, f"{dataset}.{column} says not where it comes from (config.meta.origin)"
    sources = {
        f"{source['name']}.{source_column}"
        for source in manifest["sources"].values()
        for source_column in source["columns"]
    }
    assert [origin for origin in origins if origin not in sources] == []


def assert_described(text: str) -> None:
    """A description says something: a sentence, nothing left to do, no template left unrendered."""
    assert len(plain(text).split()) >= 3, f"too short for a description: {text!r}"
    assert not re.search(r"\b(TODO|TBD|FIXME)\b|\{\{|\{%", text), f"unfinished: {text!r}"


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_is_tested(dataset, model, tests_of):
    """dbt tests each promise: key, nulls, values, joins, invariants."""
    fact, tests = every_fact()[dataset], tests_of[dataset]
    untested = [*_untested(fact, tests)]
    assert untested == []


def _untested(fact: dict[str, Any], tests: list[dict[str, Any]]) -> Iterator[str]:
    for key in [fact["grain"], *fact.get("unique", [])]:
        keys = [sorted(arguments["columns"]) for arguments in generic_tests(tests, "unique_grain")]
        if key and sorted(key) not in keys and not (len(key) == 1 and generic_tests(tests, "unique", key[0])):
            yield f"key {key}: needs unique or unique_grain"
    for column, (_, _, nullability) in fact["columns"].items():
        if nullability == "not null" and not generic_tests(tests, "not_null", column):
            yield f"{column}: needs not_null"
    for column, values in fact.get("values", {}).items():
        accepted = [set(arguments["values"]) for arguments in generic_tests(tests, "accepted_values", column)]
        if set(values) not in accepted:
            yield f"{column}: needs accepted_values of {values}"
    for column, targets in fact.get("joins", {}).items():
        # dbt's relationships test knows neither a choice of targets nor the elements of an array
        is_array = fact["columns"][column][1].endswith("[]")
        if isinstance(targets, str) and not is_array:
            dataset, key = targets.split(".")
            expected = [
                arguments
                for arguments in generic_tests(tests, "relationships", column)
                if arguments["field"] == key and dataset in arguments["to"]
            ]
            if not expected:
                yield f"{column}: needs relationships to {targets}"
    if fact.get("invariants") and not generic_tests(tests, "expression_holds"):
        yield f"needs expression_holds for {fact['invariants']}"


# -- the database -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def connection(shared_catalog: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shared_catalog, autocommit=True) as connected:
        yield connected


@pytest.fixture(scope="module")
def has_citext(connection: psycopg.Connection) -> bool:
    """Whether the server has the extension; without it an email is text."""
    row = connection.execute("select count(*) from pg_available_extensions where name = 'citext'").fetchone()
    return row[0] > 0


def test_the_published_schema_holds_the_documented_datasets_and_nothing_else(connection):
    """56 views; no other relation, no function, no type of its own."""
    relations = connection.execute(
        "select relname::text, relkind::text from pg_class where relnamespace = %s::regnamespace", [PUBLISHED]
    ).fetchall()
    assert sorted(relations) == [(dataset, "v") for dataset in DATASETS]
    functions = connection.execute(
        "select oid::regprocedure::text from pg_proc where pronamespace = %s::regnamespace", [PUBLISHED]
    ).fetchall()
    assert functions == []
    types = connection.execute(
        "select typname::text from pg_type"
        " where typnamespace = %s::regnamespace and typrelid = 0 and typelem = 0",
        [PUBLISHED],
    ).fetchall()
    assert types == []


@pytest.mark.parametrize("dataset", DATASETS)
def test_database_has_the_documented_columns(dataset, connection, has_citext):
    """Names, order and types of the view are those of the facts."""
    attributes = connection.execute(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
        [f"{PUBLISHED}.{dataset}"],
    ).fetchall()
    documented = [
        (column, "text" if type_ == "citext" and not has_citext else type_name(type_))
        for column, (_, type_, _) in every_fact()[dataset]["columns"].items()
    ]
    assert attributes == documented


@pytest.mark.parametrize("dataset", DATASETS)
def test_database_shows_the_descriptions(dataset, model, connection):
    """The comments of the view and its columns are the project's descriptions, for readers without tools."""
    of_view, of_columns = connection.execute(
        "select obj_description(view, 'pg_class'),"
        " (select jsonb_object_agg(attname, col_description(view, attnum)) from pg_attribute"
        "  where attrelid = view and attnum > 0)"
        " from to_regclass(%s) as view",
        [f"{PUBLISHED}.{dataset}"],
    ).fetchone()
    assert plain(of_view) == plain(model["description"])
    declared = {name: plain(column["description"]) for name, column in model["columns"].items()}
    assert {name: plain(text) for name, text in of_columns.items()} == declared


@pytest.mark.parametrize("dataset", [dataset for dataset in DATASETS if "scope" in every_fact()[dataset]])
def test_every_scoped_view_is_a_security_barrier(dataset, connection):
    """Without it a reader's own predicate may meet a row before the scope has removed it."""
    options = connection.execute(
        "select reloptions from pg_class where oid = to_regclass(%s)", [f"{PUBLISHED}.{dataset}"]
    ).fetchone()
    assert "security_barrier=true" in (options[0] or [])


def test_joined_columns_have_one_type():
    """Each documented join compares a type with itself; an array's elements have the type they lead to."""
    unlike = [
        (dataset, column, target)
        for dataset, fact in every_fact().items()
        for column, targets in fact.get("joins", {}).items()
        for target in ([targets] if isinstance(targets, str) else targets)
        if fact["columns"][column][1].removesuffix("[]")
        != every_fact()[target.split(".")[0]]["columns"][target.split(".")[1]][1]
    ]
    assert unlike == []
