"""ROAR's datasets equal their expectation, on documents of every kind of wrongness, whoever asks."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import set_json_loads

from expectation.datasets import facts
from expectation.roar import PEOPLE, Document, expected, roar_facts
from expectation.roar_documents import IDS, as_json, documents_of
from expectation.roar_setting import SETTING, NoListError, listed, organizations_asked_for, settings
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

PARSER = "analytics_internal.roar_caller_scope"
SEEDS = range(20)
UNKNOWN = "of nobody"
DATASETS = sorted(roar_facts())


class Catalog:
    """The datasets over an example's documents, in a transaction that is rolled back.

    Attributes:
        conn: a superuser's connection.
    """

    def __init__(self, conn: psycopg.Connection) -> None:
        self.conn = conn
        set_json_loads(functools.partial(json.loads, parse_float=Decimal), conn)
        for dataset in DATASETS:
            # planned once; a generic plan has to be right under every setting
            conn.execute(
                sql.SQL("prepare {} as select {} from {}").format(
                    sql.Identifier(dataset),
                    sql.SQL(", ").join(map(sql.Identifier, roar_facts()[dataset]["columns"])),
                    sql.Identifier("analytics", dataset),
                )
            )
        conn.commit()

    @contextmanager
    def example(self, documents: list[Document]) -> Iterator[None]:
        """The documents in the table, until the end."""
        with self.conn.transaction(force_rollback=True):
            self.conn.cursor().executemany(
                "insert into operational.roar_document values (%s, %s, %s)",
                [(path, as_json(data), written_at) for path, data, written_at in documents],
            )
            yield

    def rows(self, dataset: str, setting: str) -> Counter[tuple[Any, ...]]:
        """What the dataset shows under a setting."""
        self.conn.execute("select set_config(%s, %s, true)", [SETTING, setting])
        names = list(roar_facts()[dataset]["columns"])
        found = self.conn.execute(sql.SQL("execute {}").format(sql.Identifier(dataset))).fetchall()
        return Counter(_comparable(dict(zip(names, row, strict=True))) for row in found)


def _comparable(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(frozenset(row[name]) if name == "org_ids" else _frozen(row[name]) for name in sorted(row))


def _frozen(value: Any) -> Any:
    """A value that can be counted; true is not 1, and a moment is the same in every zone."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, dict):
        return frozenset((name, _frozen(content)) for name, content in value.items())
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@pytest.fixture(scope="module")
def catalog(shared_catalog: str) -> Iterator[Catalog]:
    options = "-c timezone=Asia/Kathmandu -c datestyle=ISO,DMY"
    # with statements of psycopg's own it would deallocate ours after a rollback
    with psycopg.connect(shared_catalog, options=options, prepare_threshold=None) as conn:
        yield Catalog(conn)


def _lists(documents: list[Document]) -> list[list[str]]:
    """Lists of organizations: nobody's, some single ones, several, each that somebody has."""
    everybody = {
        org_id
        for dataset in PEOPLE
        for row in expected(dataset, documents, None)
        for org_id in row["org_ids"]
    }
    each = sorted(everybody)
    return [[], [UNKNOWN], *([org_id] for org_id in each[:4]), each[:2], [*each[2:5], UNKNOWN], each]


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_those_of_the_documents(catalog, seed):
    """As a multiset, for callers with no organization, one, several, all, unknown ones, and everybody."""
    documents = documents_of(seed)
    with catalog.example(documents):
        for organizations in [*_lists(documents), None]:
            setting = "*" if organizations is None else listed(organizations)
            allowed = None if organizations is None else frozenset(organizations)
            for dataset in DATASETS:
                if dataset in PEOPLE or organizations in (None, []):
                    wanted = Counter(map(_comparable, expected(dataset, documents, allowed)))
                    assert catalog.rows(dataset, setting) == wanted, (dataset, setting)


def test_the_examples_have_everything():
    """Or the comparison would compare little: people in and outside organizations, both kinds of value."""
    belonging: dict[str, set[bool]] = {}
    seen: dict[tuple[str, str], set[bool]] = {}
    for seed in SEEDS:
        documents = documents_of(seed)
        for dataset in DATASETS:
            everything = expected(dataset, documents, None)
            assert everything, dataset
            for row in everything:
                for column, value in row.items():
                    seen.setdefault((dataset, column), set()).add(value is None)
            if dataset in PEOPLE:
                belonging.setdefault(dataset, set()).update(bool(row["org_ids"]) for row in everything)
    assert all(kinds == {True, False} for kinds in belonging.values()), belonging
    one_sided = [
        (dataset, column)
        for (dataset, column), kinds in seen.items()
        if roar_facts()[dataset]["columns"][column][2] == "null" and kinds != {True, False}
    ]
    assert one_sided == []


def test_every_text_of_the_setting_is_read_as_documented(catalog):
    """A list gives its ids, anything else an error that names the setting and the element: never more."""
    query = f"select is_everyone, org_ids from {PARSER}(%s, %s, null, current_user, true)"
    outcomes = Counter()
    for setting in settings():
        try:
            wanted = organizations_asked_for(setting)
        except NoListError as error:
            with pytest.raises(psycopg.errors.InvalidParameterValue) as caught, catalog.conn.transaction():
                catalog.conn.execute(query, [SETTING, setting])
            message = caught.value.diag.message_primary
            assert message == f'{SETTING} holds "{error.element}", which is not an organization id', setting
            outcomes["error"] += 1
        else:
            is_everyone, org_ids = catalog.conn.execute(query, [SETTING, setting]).fetchone()
            assert is_everyone == (wanted is None), setting
            assert sorted(org_ids) == sorted(wanted or ()), setting
            outcomes["list"] += 1
    assert min(outcomes["error"], outcomes["list"]) > 100


@pytest.mark.parametrize("function", ["caller_scope", "roar_caller_scope"])
def test_an_error_shows_so_much_of_a_long_element_and_no_more(catalog, function):
    """Behind as many ids as a setting can hold: the one that is wrong is found in one pass over them."""
    listed_ids = ",".join(["00000000-0000-4000-8000-000000000001"] * 100_000)
    with pytest.raises(psycopg.errors.InvalidParameterValue) as caught, catalog.conn.transaction():
        catalog.conn.execute(
            f"select analytics_internal.{function}('x', %s, null, current_user, true)",
            [f"{listed_ids},{'b ' * 500_000}b"],
        )
    shown = ("b " * 50) + "..."
    assert caught.value.diag.message_primary == f'x holds "{shown}", which is not an organization id'


@pytest.mark.parametrize("standard_strings", ["on", "off"])
def test_an_array_of_ids_as_text_is_a_list(catalog, standard_strings):
    """So a client need not know how to quote; `*` is refused there, since it could be meant as everybody."""
    ids = [element for element in IDS if element != "*"]
    with catalog.conn.transaction(force_rollback=True):
        if catalog.conn.info.server_version < 190000:
            catalog.conn.execute(f"set local standard_conforming_strings = {standard_strings}")
        found = catalog.conn.execute(
            f"select org_ids from {PARSER}('x', %s::text[]::text, null, current_user, false)",
            [ids],
        ).fetchone()[0]
    assert sorted(found) == sorted(ids)
    with pytest.raises(psycopg.errors.InvalidParameterValue), catalog.conn.transaction():
        catalog.conn.execute(
            f"select from {PARSER}('x', %s::text[]::text, null, current_user, true)",
            [["*"]],
        )


def test_a_malformed_setting_is_an_error_of_every_scoped_dataset(catalog):
    with catalog.example(documents_of(0)):
        for dataset in PEOPLE:
            with (
                pytest.raises(
                    psycopg.errors.InvalidParameterValue, match=re.escape(SETTING) + ' holds "b c"'
                ),
                catalog.conn.transaction(),
            ):
                catalog.rows(dataset, "a, b c")


# -- bindings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roster", "roar", "wanted"),
    [
        ([], [], {"a", "b", "c"}),
        ([], ["a"], {"a"}),
        ([], ["a", "b", "elsewhere"], {"a", "b"}),
        # bound to the roster's organizations alone: nothing of ROAR, whatever it asks for
        (["00000000-0000-4000-8000-00000000000a"], [], set()),
        (["00000000-0000-4000-8000-00000000000a"], ["b"], {"b"}),
    ],
)
def test_a_role_that_is_bound_anywhere_is_bound_in_roar(catalog, roster, roar, wanted):
    documents = [
        (f"users/{org_id}", {"schools": {"current": [org_id]}}, datetime(2025, 1, 1, tzinfo=UTC))
        for org_id in "abc"
    ]
    with catalog.example(documents):
        conn = catalog.conn
        conn.execute("create role roar_reader in role timeback_reader")
        for table, org_ids in (("scope_binding", roster), ("roar_scope_binding", roar)):
            for org_id in org_ids:
                conn.execute(f"insert into analytics_internal.{table} values ('roar_reader', %s)", [org_id])
        conn.execute("set local role roar_reader")
        rows = catalog.rows("roar_users", "a, b, c")
        assert {next(iter(org_ids)) for *_, org_ids in map(_org_ids_last, rows)} == wanted
        if roster or roar:
            assert catalog.rows("roar_users", "*") == rows


def _org_ids_last(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (next(value for value in row if isinstance(value, frozenset) and value),)


def test_a_role_that_is_bound_in_roar_alone_sees_no_roster(catalog):
    """The other way round, and by set role from a login that is bound."""
    with catalog.example([]):
        conn = catalog.conn
        conn.execute("create role roar_reader in role timeback_reader")
        conn.execute("insert into analytics_internal.roar_scope_binding values ('roar_reader', 'a')")
        scope = "select is_everyone, org_ids from analytics_internal.int_caller_scope"
        conn.execute("grant usage on schema analytics_internal to roar_reader")
        conn.execute("grant select on analytics_internal.int_caller_scope to roar_reader")
        conn.execute("set local role roar_reader")
        for setting in ("*", "00000000-0000-4000-8000-00000000000a"):
            conn.execute("select set_config('app.allowed_org_ids', %s, true)", [setting])
            assert conn.execute(scope).fetchone() == (False, [])


# -- source tests -------------------------------------------------------------------------------------

WRONG_TYPES = "source_roar_wrong_types"
RUN_COUNTS = "source_roar_run_counts"
IN_NO_DATASET = "source_roar_document_in_no_dataset"


@pytest.fixture(scope="module")
def source_tests(dbt: Callable[..., Any], short_tmp: Path) -> dict[str, str]:
    """Source test -> its query, for whatever database the catalog is in."""
    database = "catalog_template"
    names = (WRONG_TYPES, RUN_COUNTS, IN_NO_DATASET)
    dbt(database, "compile", "--no-populate-cache", "--select", *names)
    folder = short_tmp / "target" / "compiled" / "timeback_analytics" / "tests"
    return {name: (folder / f"{name}.sql").read_text().replace(f'"{database}".', "") for name in names}


def _documents(contents: dict[str, Any]) -> list[Document]:
    return [(path, data, datetime(2025, 1, 1, tzinfo=UTC)) for path, data in contents.items()]


def _counts(**stages: tuple[int, int]) -> dict[str, Any]:
    """A run's document that says of each stage how many answers were attempted and how many were correct."""
    counted = {stage: {"numAttempted": of, "numCorrect": good} for stage, (of, good) in stages.items()}
    return {"scores": {"raw": {"composite": counted}}}


def test_runs_are_held_against_their_trials(catalog, source_tests):
    """Stage by stage, of guests and users apart, also where they have one id; other stages count nowhere."""
    right, wrong = {"assessment_stage": "test_response", "correct": 1}, {"assessment_stage": "test_response"}
    practised = {"assessment_stage": "practice_response", "correct": 1}
    documents = _documents(
        {
            "users/a/runs/agrees": _counts(practice=(1, 1), test=(2, 1)),
            "users/a/runs/agrees/trials/1": right,
            "users/a/runs/agrees/trials/2": {**wrong, "correct": 0},
            "users/a/runs/agrees/trials/3": practised,
            "users/a/runs/agrees/trials/4": {"assessment_stage": "instructions", "correct": 1},
            "guests/a/runs/agrees": _counts(practice=(0, 0), test=(1, 1)),
            "guests/a/runs/agrees/trials/1": right,
            "guests/a/runs/silent": {},
            "guests/a/runs/few": _counts(practice=(1, 1), test=(3, 2)),
            "guests/a/runs/few/trials/1": right,
            "guests/a/runs/few/trials/2": practised,
            "users/a/runs/few": _counts(practice=(2, 1)),
            "users/a/runs/few/trials/1": practised,
            "users/b/runs/good": _counts(test=(2, 2)),
            "users/b/runs/good/trials/1": right,
            "users/b/runs/good/trials/2": {**wrong, "correct": 2},
            "guests/b/runs/uncounted": {},
            "guests/b/runs/uncounted/trials/1": wrong,
            "users/b/runs/without a document/trials/1": right,
        }
    )
    with catalog.example(documents):
        assert catalog.conn.execute(source_tests[RUN_COUNTS]).fetchall() == [
            ("guests/a/runs/few", "test_response", 3, 1, 2, 1),
            ("guests/b/runs/uncounted", "test_response", None, 1, None, 0),
            ("users/a/runs/few", "practice_response", 2, 1, 1, 1),
            ("users/b/runs/good", "test_response", 2, 2, 2, 1),
            ("users/b/runs/without a document", "test_response", None, 1, None, 1),
        ]


def test_fields_of_another_type_are_counted(catalog, source_tests):
    """With where they stand and what is there; neither what is absent nor JSON's null is one."""
    documents = _documents(
        {
            "guests/a": {"age": "seven", "birthYear": 2014.5, "created": "2023-02-30", "tasks": ["swr", 7]},
            "guests/b": {"age": "eight", "birthYear": 2014, "created": "2023-02-28", "tasks": ["swr"]},
            "guests/c": {"age": None, "birthYear": True, "created": None, "tasks": []},
            "users/a": {"birthYear": "2014", "classes": {"current": "a"}},
            "districts/a": {"schools": {}, "address": {"schools": ["a"]}},
            "elsewhere/a": {"age": "seven"},
        }
    )
    with catalog.example(documents):
        assert catalog.conn.execute(source_tests[WRONG_TYPES]).fetchall() == [
            ("district", "schools", "text[]", "object", 1, "districts/a"),
            ("guest", "age", "numeric", "string", 2, "guests/a"),
            ("guest", "birthYear", "integer", "boolean", 1, "guests/c"),
            ("guest", "birthYear", "integer", "number", 1, "guests/a"),
            ("guest", "created", "timestamptz", "string", 1, "guests/a"),
            ("guest", "tasks", "text[]", "array", 1, "guests/a"),
            ("user", "birthYear", "integer", "string", 1, "users/a"),
            ("user", "classes.current", "text[]", "string", 1, "users/a"),
        ]


def test_documents_that_no_dataset_shows_are_counted(catalog, source_tests):
    documents = _documents(
        {
            "users/a": {},
            "users/a/runs/b/trials/c": {},
            "task/a/variants/b": {},
            "users/b": ["no object"],
            "users/a/badges/b": {},
            "users/b/badges/c": {},
            "users//runs/b": {},
            "users": {},
        }
    )
    with catalog.example(documents):
        assert catalog.conn.execute(source_tests[IN_NO_DATASET]).fetchall() == [
            ("users", "array", 1, "users/b"),
            ("users/badges", "object", 2, "users/a/badges/b"),
            (None, "object", 2, "users"),
        ]


# -- without ROAR -------------------------------------------------------------------------------------


def test_a_server_without_the_table_has_everything_else(
    embedded_server: EmbeddedServer, new_database: Callable[..., str], dbt: Callable[..., Any]
) -> None:
    """On any target but the embedded one ROAR has to be asked for; asked for, its table must be there."""
    name = new_database("without_roar")
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        create_operational_schema(conn, "operational")
        conn.execute("drop table operational.roar_document")
        server = {"PGHOST": str(embedded_server.socket_dir), "PGUSER": "postgres", "PGDATABASE": name}
        run = ("run", "--target", "server", "--vars")
        refused = dbt(name, *run, "{source_schema: operational, roar: true}", check=False, env=server)
        assert refused.returncode != 0 and "operational.roar_document: table is missing" in refused.stdout
        dbt(name, *run, "{source_schema: operational}", env=server)
        views = conn.execute(
            "select relname::text from pg_class where relnamespace = 'analytics'::regnamespace order by 1"
        ).fetchall()
    assert [view for (view,) in views] == sorted(facts())
