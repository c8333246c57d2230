"""What the documentation promises of rows, asked of the database in SQL, on many examples at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from expectation.comparison import EVERYBODY, Caller, Catalog
from expectation.datasets import facts
from expectation.operational import operational_rows
from expectation.rules import Row

SEEDS = range(1000, 1040)
DATASETS = sorted(facts())


def promises(name: str) -> list[tuple[str, Any]]:
    """(dataset, promise) for each promise of a kind."""
    kinds = facts().items()
    return [(dataset, promise) for dataset, fact in kinds for promise in fact.get(name, [])]


JOINS = [
    (dataset, column, target)
    for dataset, fact in facts().items()
    for column, targets in fact.get("joins", {}).items()
    for target in ([targets] if isinstance(targets, str) else targets)
]


@pytest.fixture(scope="module")
def loaded(shared_catalog: str) -> Iterator[psycopg.Connection]:
    """A connection that sees every row of several examples together, which are rolled back at the end."""
    with psycopg.connect(shared_catalog) as connection:
        catalog = Catalog(connection, "operational", "analytics", UTC)
        with catalog.example({}), catalog.asking_as(Caller("everybody", EVERYBODY)):
            today = datetime.now(UTC).date()
            for table, table_rows in together([operational_rows(seed, today) for seed in SEEDS]).items():
                insert_what_fits(connection.cursor(), table, table_rows)
                # as on any server that has been up for a minute: without, a view takes a minute
                connection.execute(sql.SQL("analyze {}").format(sql.Identifier("operational", table)))
            yield connection


@pytest.fixture
def rows(loaded: psycopg.Connection) -> Iterator[psycopg.Cursor]:
    """A cursor on those rows; a query that fails leaves them to the next test."""
    with loaded.transaction(force_rollback=True), loaded.cursor() as cursor:
        yield cursor


UNIQUE_NAMES = {"insights_type": "slug", "lti_application": "name", "placement_grade": "order_number"}


def together(examples: list[dict[str, list[Row]]]) -> dict[str, list[Row]]:
    """The rows of all examples; a thing whose name is unique in the database is the same in all of them."""
    first_ids: dict[tuple[str, Any], UUID] = {}
    tables: dict[str, list[Row]] = {}
    for example in examples:
        same = {
            row["id"]: first_ids.setdefault((table, row[column]), row["id"])
            for table, column in UNIQUE_NAMES.items()
            for row in example[table]
        }
        for table, table_rows in example.items():
            tables.setdefault(table, []).extend(
                {column: same.get(value, value) for column, value in row.items()} for row in table_rows
            )
    return tables


def insert_what_fits(cursor: psycopg.Cursor, table: str, table_rows: list[Row]) -> None:
    """Inserts rows, leaving out those that a unique index refuses."""
    names = list(table_rows[0])
    cursor.executemany(
        sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
            sql.Identifier("operational", table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(sql.Placeholder() * len(names)),
        ),
        [[row[name] for name in names] for row in table_rows],
    )


def view(dataset: str) -> sql.Identifier:
    return sql.Identifier("analytics", dataset)


def breaking(cursor: psycopg.Cursor, dataset: str, holds: sql.Composable) -> list[tuple]:
    """Some rows for which an expression is false."""
    query = sql.SQL("select * from {} where not ({}) limit 5").format(view(dataset), holds)
    return cursor.execute(query).fetchall()


@pytest.mark.parametrize("dataset", DATASETS)
def test_there_are_rows(dataset, rows):
    """The tests below would pass on no rows at all."""
    assert rows.execute(sql.SQL("select count(*) from {}").format(view(dataset))).fetchone()[0] > 0


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_is_never_null_is_not_null(dataset, rows):
    columns = facts()[dataset]["columns"].items()
    never_null = [column for column, (_, _, nullability) in columns if nullability == "not null"]
    for column in never_null:
        holds = sql.SQL("{} is not null").format(sql.Identifier(column))
        assert breaking(rows, dataset, holds) == [], column


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_may_be_null_sometimes_is(dataset, rows):
    """A column that is documented as nullable and never null in these rows would leave the null untested."""
    columns = facts()[dataset]["columns"].items()
    for column in [column for column, (_, _, nullability) in columns if nullability != "not null"]:
        query = sql.SQL("select count(*) from {} where {} is null").format(
            view(dataset), sql.Identifier(column)
        )
        assert rows.execute(query).fetchone()[0] > 0, column


@pytest.mark.parametrize("dataset", [dataset for dataset in DATASETS if facts()[dataset]["grain"]])
def test_the_grain_is_unique(dataset, rows):
    """Two nulls in a key are the same: no two rows may share them."""
    for key in [facts()[dataset]["grain"], *facts()[dataset].get("unique", [])]:
        columns = sql.SQL(", ").join(map(sql.Identifier, key))
        query = sql.SQL("select {0}, count(*) from {1} {2} group by {0} having count(*) > 1 limit 5").format(
            columns,
            view(dataset),
            # a further key counts where it is there: a student without an email equals no other
            sql.SQL("")
            if key == facts()[dataset]["grain"]
            else sql.SQL("where num_nulls({}) = 0").format(columns),
        )
        assert rows.execute(query).fetchall() == [], key


@pytest.mark.parametrize(("dataset", "column"), promises("values"))
def test_values_are_allowed_ones(dataset, column, rows):
    values = facts()[dataset]["values"][column]
    holds = sql.SQL("{} = any({})").format(sql.Identifier(column), sql.Literal(values))
    assert breaking(rows, dataset, holds) == []


@pytest.mark.parametrize(("dataset", "invariant"), [*promises("invariants"), *promises("consequences")])
def test_invariants_hold(dataset, invariant, rows):
    assert breaking(rows, dataset, sql.SQL(invariant.replace("{timezone}", "UTC"))) == []


def test_arrays_hold_no_null_and_nothing_twice(rows):
    for dataset, fact in facts().items():
        for column, (_, type_, _) in fact["columns"].items():
            if type_.endswith("[]"):
                holds = sql.SQL(
                    "cardinality({0}) = (select count(distinct element) from unnest({0}) as element)"
                ).format(sql.Identifier(column))
                assert breaking(rows, dataset, holds) == [], (dataset, column)


def joined(dataset: str, column: str, target: str) -> sql.Composed:
    """`from` clause of a documented join, every row of the dataset kept; arrays join element by element."""
    other, key = target.split(".")
    is_array = facts()[dataset]["columns"][column][1].endswith("[]")
    return sql.SQL("{} as dataset {} left join {} as target on {} = target.{}").format(
        view(dataset),
        sql.SQL("cross join lateral unnest(dataset.{}) as element").format(sql.Identifier(column))
        if is_array
        else sql.SQL(""),
        view(other),
        sql.SQL("element") if is_array else sql.Identifier("dataset", column),
        sql.Identifier(key),
    )


@pytest.mark.parametrize(("dataset", "column", "target"), JOINS)
def test_documented_joins_run_and_find_rows(dataset, column, target, rows):
    """Without a cast, and not in vain: among these rows some have a partner."""
    _, key = target.split(".")
    query = sql.SQL("select count(target.{}) from {}").format(
        sql.Identifier(key), joined(dataset, column, target)
    )
    assert rows.execute(query).fetchone()[0] > 0


@pytest.mark.parametrize(("dataset", "column"), promises("resolves"))
def test_joins_that_are_promised_to_resolve_do(dataset, column, rows):
    target = facts()[dataset]["joins"][column]
    _, key = target.split(".")
    query = sql.SQL(
        "select dataset.* from {} where dataset.{} is not null and target.{} is null limit 5"
    ).format(joined(dataset, column, target), sql.Identifier(column), sql.Identifier(key))
    assert rows.execute(query).fetchall() == []
