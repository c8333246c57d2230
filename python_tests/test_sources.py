"""The foundation says the same thing everywhere: schema.sql, the dbt sources, the staging models, a database.

And the source tests notice what they are there for, without failing anybody's run.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import psycopg
import pytest
import sqlglot
from psycopg import sql
from sqlglot import exp

from conftest import Dbt
from timeback_analytics import operational
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

SHORTEST_DESCRIPTION = 15

Columns = dict[str, list[tuple[str, str]]]


def _canonical(data_type: str) -> str:
    """A type as schema.sql and the YAML write it; citext is text on a server without the extension."""
    known = {"timestamp with time zone": "timestamptz", "citext": "text"}
    return known.get(data_type.lower(), data_type.lower())


def _sources(manifest: dict[str, Any], source: str) -> list[dict[str, Any]]:
    return [node for node in manifest["sources"].values() if node["source_name"] == source]


def _source_tests(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The generic tests on operational tables: what _sources.yml asks for."""
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and node.get("test_metadata")
        and node["sources"]
        and node["sources"][0][0] == "operational"
    ]


def _staging(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == "staging"
    ]


@pytest.fixture(scope="module")
def yaml_columns(manifest: dict[str, Any]) -> Columns:
    """Name and type of each column of each source, in the order of the YAML."""
    return {
        node["name"]: [
            (column["name"], _canonical(column["data_type"])) for column in node["columns"].values()
        ]
        for node in _sources(manifest, "operational")
    }


@pytest.fixture(scope="module")
def ddl() -> list[exp.Create]:
    """The create table statements of schema.sql."""
    text = resources.files(operational).joinpath("schema.sql").read_text(encoding="utf-8")
    statements = sqlglot.parse(text.replace("{citext}", "citext"), read="postgres")
    return [
        statement
        for statement in statements
        if isinstance(statement, exp.Create) and statement.kind == "TABLE"
    ]


@pytest.fixture(scope="module")
def database(embedded_server: EmbeddedServer, catalog_template: str) -> Iterator[psycopg.Connection]:
    """A read-only connection to a database with the operational tables and the catalog over them."""
    with psycopg.connect(embedded_server.dsn(catalog_template), autocommit=True) as conn:
        conn.execute("set default_transaction_read_only = on")
        yield conn


def _database_columns(conn: psycopg.Connection, schema: str) -> Columns:
    found: Columns = {}
    for table, column, data_type in conn.execute(
        """select relname, attname, format_type(atttypid, atttypmod)
        from pg_attribute inner join pg_class on attrelid = pg_class.oid
        where relnamespace = to_regnamespace(%s) and relkind in ('r', 'v') and attnum > 0 and not attisdropped
        order by relname, attnum""",
        [schema],
    ):
        found.setdefault(table, []).append((column, _canonical(data_type)))
    return found


def test_the_ddl_makes_what_the_sources_describe(ddl: list[exp.Create], yaml_columns: Columns) -> None:
    made = {
        statement.find(exp.Table).name: [
            (column.name, _canonical(column.kind.sql("postgres")))
            for column in statement.find_all(exp.ColumnDef)
        ]
        for statement in ddl
    }
    made = {
        table: [(name, {"int": "integer", "decimal": "numeric"}.get(kind, kind)) for name, kind in columns]
        for table, columns in made.items()
    }
    assert made == yaml_columns


def test_a_database_has_what_the_sources_describe(
    database: psycopg.Connection, yaml_columns: Columns
) -> None:
    assert _database_columns(database, "operational") == yaml_columns
    assert len(yaml_columns) == 37


def test_columns_that_are_never_null_are_tested_so(
    database: psycopg.Connection, manifest: dict[str, Any]
) -> None:
    promised = {
        (table, column)
        for table, column in database.execute(
            """select relname, attname from pg_attribute inner join pg_class on attrelid = pg_class.oid
            where relnamespace = 'operational'::regnamespace and relkind = 'r'
                and attnum > 0 and attnotnull"""
        )
    }
    tested = set()
    for node in _source_tests(manifest):
        table = node["sources"][0][1]
        if node["test_metadata"]["name"] == "not_null":
            tested.add((table, node["column_name"]))
        elif node["test_metadata"]["name"] == "always_recorded":
            tested |= {(table, column) for column in node["test_metadata"]["kwargs"]["columns"]}
    assert tested == promised


def test_keys_are_tested_for_being_unique(database: psycopg.Connection, manifest: dict[str, Any]) -> None:
    keys = {
        (table, tuple(columns))
        for table, columns in database.execute(
            """select relname, array_agg(attname::text order by attnum)
            from pg_index
            inner join pg_class on indrelid = pg_class.oid
            inner join pg_attribute on attrelid = indrelid and attnum = any(indkey)
            where relnamespace = 'operational'::regnamespace and indisunique and indpred is null
            group by relname, indexrelid"""
        )
    }
    tested = set()
    for node in _source_tests(manifest):
        if node["test_metadata"]["name"] == "unique":
            tested.add((node["sources"][0][1], (node["column_name"],)))
        elif node["test_metadata"]["name"] == "unique_grain":
            tested.add((node["sources"][0][1], tuple(node["test_metadata"]["kwargs"]["columns"])))
    assert keys <= tested


def test_every_source_staging_model_and_macro_is_described(manifest: dict[str, Any]) -> None:
    described: dict[str, str] = {}
    for node in [*manifest["sources"].values(), *_staging(manifest)]:
        described[node["unique_id"]] = node["description"]
        for column in node["columns"].values():
            described[f"{node['unique_id']}.{column['name']}"] = column["description"]
    for macro in manifest["macros"].values():
        if macro["package_name"] == "timeback_analytics":
            described[macro["unique_id"]] = macro["description"]
            for argument in macro["arguments"]:
                described[f"{macro['unique_id']}({argument['name']})"] = argument["description"]
    too_little = [
        name
        for name, text in described.items()
        if len(text.strip()) < SHORTEST_DESCRIPTION or re.search(r"\b(TODO|TBD|FIXME)\b", text)
    ]
    assert too_little == []


def test_macro_arguments_are_the_documented_ones(manifest: dict[str, Any]) -> None:
    wrong = {}
    given_by_dbt = {"model", "column_name"}
    for macro in manifest["macros"].values():
        signature = re.search(r"{%-?\s*(macro|test)\s+\w+\((.*?)\)\s*-?%}", macro["macro_sql"], re.DOTALL)
        if macro["package_name"] != "timeback_analytics" or signature is None:
            continue
        names = [part.split("=")[0].strip() for part in signature[2].split(",") if part.strip()]
        documented = [argument["name"] for argument in macro["arguments"]]
        if signature[1] == "test":
            names = [name for name in names if name not in given_by_dbt]
            documented = [name for name in documented if name not in given_by_dbt]
        if names != documented:
            wrong[macro["name"]] = {"takes": names, "documents": documented}
    assert wrong == {}


def test_each_source_has_one_staging_model_that_reads_nothing_else(manifest: dict[str, Any]) -> None:
    reads = {node["name"]: node["depends_on"]["nodes"] for node in _staging(manifest)}
    expected = {f"stg_{node['name']}": [unique_id] for unique_id, node in manifest["sources"].items()}
    assert reads == expected
    readers = Counter(
        source
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] != "staging"
        for source in node["depends_on"]["nodes"]
        if source.startswith("source.")
    )
    assert readers == {}, "a model above staging reads a source"


def test_staging_describes_the_columns_that_it_has(
    manifest: dict[str, Any], database: psycopg.Connection
) -> None:
    described = {node["name"]: list(node["columns"]) for node in _staging(manifest)}
    found = _database_columns(database, "analytics_internal")
    assert described == {name: [column for column, _ in found[name]] for name in described}


def test_staging_keeps_every_column_unless_it_cleans_it_away(
    manifest: dict[str, Any], yaml_columns: Columns, database: psycopg.Connection
) -> None:
    """A source column that staging forgets can reach no dataset; its lineage is empty."""
    forgotten = []
    for node in _staging(manifest):
        table = node["name"].removeprefix("stg_")
        query = database.execute(
            "select pg_get_viewdef(%s::regclass)", [f"analytics_internal.{node['name']}"]
        ).fetchone()[0]
        named = {column.name for column in sqlglot.parse_one(query, read="postgres").find_all(exp.Column)}
        forgotten += [f"{table}.{column}" for column, _ in yaml_columns.get(table, []) if column not in named]
    assert forgotten == []


# --- what the source tests notice -------------------------------------------------------------------

# What breaks each rule at once, by column; a start later than an end is set by the column's name.
BROKEN = {"count": 0, "max_score": 0, "score_given": 1, "result_value": 2}
BROKEN_BY_TYPE = {
    "uuid": "00000000-0000-0000-0000-000000000001",
    "text": "neither here nor there",
    "timestamptz": "2026-03-14 10:00:00+00",
    "date": "2026-03-14",
    "integer": 7,
    "numeric": 7,
    "boolean": True,
    "jsonb": "{}",
}
EARLIER = {"date": "2026-03-13", "timestamptz": "2026-03-14 09:00:00+00"}


@pytest.fixture
def malformed_database(
    embedded_server: EmbeddedServer, new_database: Callable[..., str], yaml_columns: Columns
) -> str:
    """Operational tables without constraints: in each a row of nulls and twice one that breaks every rule."""
    name = new_database("malformed_sources")
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        conn.execute("create schema operational")
        for table, columns in yaml_columns.items():
            conn.execute(
                sql.SQL("create table operational.{} ({})").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(
                        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(data_type))
                        for column, data_type in columns
                    ),
                )
            )
            broken = [
                BROKEN.get(column)
                if column in BROKEN
                else (EARLIER if column.startswith("end") else BROKEN_BY_TYPE)[data_type]
                for column, data_type in columns
            ]
            insert = sql.SQL("insert into operational.{} values ({})").format(
                sql.Identifier(table), sql.SQL(", ").join(sql.Placeholder() for _ in columns)
            )
            for row in ([None] * len(columns), broken, broken):
                conn.execute(insert, row)
    return name


def test_malformed_rows_are_counted_and_fail_nothing(
    malformed_database: str, dbt: Dbt, manifest: dict[str, Any]
) -> None:
    printed = dbt(
        malformed_database,
        *("build", "--select", "source:operational", "staging", "--indirect-selection", "cautious"),
    ).stdout
    counted = {
        name: (int(number), outcome)
        for outcome, number, name in re.findall(r"(WARN|FAIL) (\d+) (\w+)", printed)
    }
    expected = {}
    for node in _source_tests(manifest):
        kind, arguments = node["test_metadata"]["name"], node["test_metadata"]["kwargs"]
        # of two rows alike, expressions break on both, keys and vocabularies are one value
        rows = {"always_recorded": len(arguments.get("columns", [])), "expression_holds": 2}.get(kind, 1)
        expected[node["name"]] = (rows, "WARN")
    assert len(expected) > 100
    assert {name: counted.get(name) for name in expected} == expected
