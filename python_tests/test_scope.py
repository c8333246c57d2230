"""Who sees which rows: proofs for every scoped dataset, on people who differ in their memberships alone.

What a caller must see is worked out here, from scope_rows: the rows of the model behind a dataset whose
person has a current organization in the list, each with the organizations that person and list share.
Both halves of the scope are asked, the one for few people and the one for many.

The file is long on purpose. All of its tests ask the same two deployed catalogs, which take long to make, and
tests share such fixtures only within a file.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.rows import dict_row

from scope_rows import (
    BY_NAME,
    DISTRICT,
    GUESTS,
    NOWHERE,
    ORGANIZATIONS,
    PEOPLE,
    PERSONLESS_SESSION,
    SCHOOL_A,
    SCHOOL_B,
    UNKNOWN,
    Person,
    owner,
)
from scope_ways import answer_as
from timeback_analytics.catalog.manifest import models_behind
from timeback_analytics.catalog.names import SCOPE_SETTINGS
from timeback_analytics.catalog.scopes import scopes
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

ROOT = Path(__file__).resolve().parents[1]
SETTING = "app.allowed_org_ids"
ROAR_SETTING = "app.allowed_roar_org_ids"
SETTINGS = (SETTING, ROAR_SETTING)
"""Set to the same all along: ROAR's organizations have the texts of the roster's ids in scope_rows."""
PUBLISHED = "analytics"
INTERNAL = "analytics_internal"
READER = "timeback_reader"
UNRESTRICTED = "timeback_unrestricted"
ASKS_FOR_A_LIST = "scope_test_reader"
MAY_ASK_FOR_ALL = "scope_test_unrestricted"
IS_BOUND = "scope_test_bound"
"""Login roles of this module. The last one is bound by the tests that need it, and else unrestricted."""

EVERYONE = frozenset(ORGANIZATIONS)
EMPTY_LISTS = ("", " ", "\t", "\n \r\f\v", "{}", "{ }", " { \n} ")


def _scope_meta() -> dict[str, dict[str, Any]]:
    """dataset -> its config.meta, of those that say scope or scope_when."""
    found = {}
    for path in ROOT.glob("models/datasets/**/*.yml"):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            meta = model.get("config", {}).get("meta", {})
            if "scope" in meta or "scope_when" in meta:
                found[model["name"]] = meta
    return found


META = _scope_meta()
DATASETS = sorted(META)
ON_DEMAND = [name for name in DATASETS if "scope_when" in META[name]]
EMITTING = [name for name in DATASETS if name not in ON_DEMAND]
"""The datasets with org_ids; those that are scoped on demand have none."""
OF_ROAR = [name for name in DATASETS if META[name].get("scope_setting") == ROAR_SETTING]
OF_GUESTS = [name for name in OF_ROAR if "guest" in name]


def setting_of(dataset: str) -> str:
    """The setting that says whose rows a dataset shows."""
    return ROAR_SETTING if dataset in OF_ROAR else SETTING


def set_scope(conn: psycopg.Connection, value: str, *, local: bool = False) -> None:
    """Set both settings, for the session or for the transaction."""
    for setting in SETTINGS:
        conn.execute("select set_config(%s, %s, %s)", [setting, value, local])


class Catalog:
    """One connection to a deployed catalog, as superuser, and what its datasets should show."""

    def __init__(self, conn: psycopg.Connection, sources: dict[str, str], *, for_many: bool = True) -> None:
        """sources: dataset -> the relation whose rows it scopes. for_many: which way answers a list."""
        self.conn = conn
        self.for_many = for_many
        # psycopg lets go of every prepared statement at a rollback, ours too, unless it prepares none itself
        conn.prepare_threshold = None
        self._columns: dict[str, list[str]] = {}
        self._rows_behind: dict[str, list[tuple[tuple[Any, ...], Person | None]]] = {}
        for dataset, source in sources.items():
            listed = conn.execute(
                "select column_name from information_schema.columns"
                " where table_schema = %s and table_name = %s order by ordinal_position",
                [PUBLISHED, dataset],
            )
            names = [name for (name,) in listed]
            self._columns[dataset] = names
            self._rows_behind[dataset] = self._behind(dataset, source)
            # planned once: a view takes ten times as long to plan as to run on these few rows
            conn.execute(sql.SQL("prepare {} as {}").format(sql.Identifier(dataset), self.query(dataset)))

    def _behind(self, dataset: str, source: str) -> list[tuple[tuple[Any, ...], Person | None]]:
        names = [name for name in self._columns[dataset] if name != "org_ids"]
        with self.conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(sql.SQL("select * from {}").format(sql.SQL(source))).fetchall()
        return [(_hashable(row[name] for name in names), owner(row)) for row in rows]

    def query(self, dataset: str) -> sql.Composed:
        """The statement for the rows of a dataset, in the order of its columns."""
        return sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, self._columns[dataset])),
            sql.Identifier(PUBLISHED, dataset),
        )

    def rows(self, dataset: str, conn: psycopg.Connection | None = None) -> Counter[tuple[Any, ...]]:
        """What the dataset shows to whoever is asking on this connection, or plainly on another one."""
        if conn is None:
            cursor = self.conn.execute(sql.SQL("execute {}").format(sql.Identifier(dataset)))
        else:
            cursor = conn.execute(self.query(dataset))
        return Counter(map(_hashable, cursor.fetchall()))

    def expected(self, dataset: str, allowed: frozenset[UUID]) -> Counter[tuple[Any, ...]]:
        """What it should show to a caller whose list is this."""
        return self._expected(dataset, allowed, shows_others=False)

    def expected_of_everybody(self, dataset: str) -> Counter[tuple[Any, ...]]:
        """What it should show to an unrestricted caller: people without an organization too."""
        return self._expected(dataset, EVERYONE, shows_others=True)

    def _expected(
        self, dataset: str, allowed: frozenset[UUID], shows_others: bool
    ) -> Counter[tuple[Any, ...]]:
        found: Counter[tuple[Any, ...]] = Counter()
        for row, person in self._rows_behind[dataset]:
            shared = (person.organizations if person else frozenset()) & allowed
            if shared or shows_others:
                org_ids = tuple(sorted(map(str, shared) if dataset in OF_ROAR else shared))
                found[(*row, org_ids) if "org_ids" in self._columns[dataset] else row] += 1
        return found

    def people(self, dataset: str) -> set[str]:
        """The names of the people of whom the dataset shows something to whoever is asking."""
        with self.conn.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(sql.SQL("execute {}").format(sql.Identifier(dataset))).fetchall()
        return {person.name for person in map(owner, found) if person}

    def everybody_behind(self, dataset: str) -> set[str]:
        """The names of the people of whom the model behind the dataset has rows."""
        return {person.name for _, person in self._rows_behind[dataset] if person}

    @contextmanager
    def asking(
        self, setting: str | None, role: str | None = None, login: str | None = None
    ) -> Iterator[psycopg.Connection]:
        """A transaction with this setting, undone at the end.

        Args:
            setting: None leaves it alone.
            role: the role that the caller has SET.
            login: the role that the caller logged in as; None is the superuser.
        """
        with self.conn.transaction(force_rollback=True):
            if login:
                self.conn.execute(sql.SQL("set local session authorization {}").format(sql.Identifier(login)))
            if role:
                self.conn.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            if setting is not None:
                set_scope(self.conn, setting, local=True)
            yield self.conn

    def bind(self, *bindings: tuple[str, UUID]) -> None:
        """Write bindings of roles to organizations; call it in a transaction that is undone."""
        with self.conn.cursor() as cursor:
            for table in ("scope_binding", "roar_scope_binding"):
                cursor.executemany(
                    sql.SQL("insert into {} (role_name, org_id) values (%s, %s)").format(
                        sql.Identifier(INTERNAL, table)
                    ),
                    [(role, str(organization)) for role, organization in bindings],
                )


def _hashable(row: Any) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)


def listing(*organizations: UUID) -> str:
    """The setting that asks for these organizations."""
    return ",".join(map(str, organizations))


@pytest.fixture(scope="module")
def roles(embedded_server: EmbeddedServer, catalog_template: str) -> Iterator[None]:
    """The login roles of this module; catalog_template makes the two that they belong to."""
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        for name, groups in {
            ASKS_FOR_A_LIST: READER,
            MAY_ASK_FOR_ALL: f"{READER}, {UNRESTRICTED}",
            IS_BOUND: f"{READER}, {UNRESTRICTED}",
        }.items():
            conn.execute(f"create role {name} login in role {groups}")
        yield
        for name in (ASKS_FOR_A_LIST, MAY_ASK_FOR_ALL, IS_BOUND):
            conn.execute(f"drop role {name}")


@pytest.fixture(scope="module")
def deployed(
    embedded_server: EmbeddedServer,
    people_database: str,
    new_database: Callable[..., str],
    dbt: Callable[..., Any],
) -> dict[str, str]:
    """The names of two databases in which every scoped dataset is scoped, by which way answers a list."""
    names = {}
    scoped = new_database("scope_narrow", template=people_database)
    dbt(scoped, "run", "--vars", json.dumps({"scope_student_rows": True}), "--select", *ON_DEMAND)
    names = {"narrow": scoped, "wide": new_database("scope_wide", template=scoped)}
    for arm, name in names.items():
        with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
            answer_as(conn, for_many=arm == "wide")
            # whether a plan has workers must not hang on when autovacuum comes
            conn.execute("analyze")
    return names


@pytest.fixture(scope="module")
def sources(manifest: dict[str, Any]) -> dict[str, str]:
    """dataset -> the relation that it scopes."""
    found = {}
    for dataset in DATASETS:
        node = manifest["nodes"][f"model.timeback_analytics.{dataset}"]
        (behind,) = models_behind(node, manifest)
        found[dataset] = "{schema}.{name}".format(**behind)
    return found


@pytest.fixture(scope="module", params=["narrow", "wide"])
def catalog(
    request: pytest.FixtureRequest,
    embedded_server: EmbeddedServer,
    deployed: dict[str, str],
    sources: dict[str, str],
    roles: None,
) -> Iterator[Catalog]:
    """The catalog, asked through the half of the scope for few people, then through the one for many."""
    with psycopg.connect(embedded_server.dsn(deployed[request.param]), autocommit=True) as conn:
        yield Catalog(conn, sources, for_many=request.param == "wide")


every_dataset = pytest.mark.parametrize("dataset", DATASETS)


def test_the_list_is_the_manifests(manifest):
    """Also: whatever shows org_ids says that it is scoped."""
    models = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == PUBLISHED
    ]
    assert (
        sorted(model["name"] for model in models if {"scope", "scope_when"} & model["config"]["meta"].keys())
        == DATASETS
    )
    assert sorted(model["name"] for model in models if "org_ids" in model["columns"]) == EMITTING


@every_dataset
def test_the_people_are_in_every_dataset(catalog, dataset):
    """The proofs below would say nothing of somebody who has no row to hide."""
    needs_user_row = dataset in ("students", "guides", "student_start_dates")
    assert catalog.everybody_behind(dataset) == {
        person.name
        for person in (GUESTS if dataset in OF_GUESTS else PEOPLE)
        if person.has_user_row or not needs_user_row
    }


# -- which rows -----------------------------------------------------------------------------------


def test_without_the_setting_there_is_no_row(catalog):
    """In a session that never heard of the setting, whoever asks."""
    for role in ("postgres", ASKS_FOR_A_LIST, MAY_ASK_FOR_ALL):
        with psycopg.connect(catalog.conn.info.dsn, user=role, autocommit=True) as conn:
            for setting in SETTINGS:
                assert conn.execute(f"select current_setting('{setting}', true)").fetchone() == (None,)
            for dataset in DATASETS:
                assert catalog.rows(dataset, conn) == Counter(), (dataset, role)


@pytest.mark.parametrize("setting", EMPTY_LISTS)
def test_an_empty_list_shows_no_row(catalog, setting):
    for role in (None, ASKS_FOR_A_LIST, MAY_ASK_FOR_ALL):
        with catalog.asking(setting, role):
            for dataset in DATASETS:
                assert catalog.rows(dataset) == Counter(), (dataset, role)


LISTS = {
    "one organization": (SCHOOL_A,),
    "another": (SCHOOL_B,),
    "one that is not a school": (DISTRICT,),
    "one without a row": (NOWHERE,),
    "one of nobody": (UNKNOWN,),
    "two": (SCHOOL_A, DISTRICT),
    "one twice, and one of nobody": (SCHOOL_B, UNKNOWN, SCHOOL_B),
    "all": ORGANIZATIONS,
}


@pytest.mark.parametrize("organizations", LISTS.values(), ids=LISTS)
@every_dataset
def test_a_list_shows_the_rows_of_its_people(catalog, dataset, organizations):
    """Each as often as it is there, with the organizations that the person and the list share.

    Membership of timeback_unrestricted adds nothing to a list, nor does being a superuser.
    """
    expected = catalog.expected(dataset, frozenset(organizations))
    for role in (ASKS_FOR_A_LIST, MAY_ASK_FOR_ALL, None):
        with catalog.asking(listing(*organizations), role):
            assert catalog.rows(dataset) == expected, role


@pytest.mark.parametrize("dataset", EMITTING)
def test_org_ids_holds_each_organization_once_and_none_beside(catalog, dataset):
    for organizations in [*LISTS.values(), ()]:
        setting = listing(*organizations) or "*"
        with catalog.asking(setting):
            for row in catalog.rows(dataset):
                org_ids = row[-1]
                assert org_ids is not None and None not in org_ids
                assert len(set(org_ids)) == len(org_ids)
                if organizations:
                    assert org_ids and set(map(str, org_ids)) <= set(map(str, organizations))


@every_dataset
def test_a_list_shows_what_its_organizations_show_one_by_one(catalog, dataset):
    """No more and no less: asking for several at once neither hides a row nor reveals one."""
    singles: dict[tuple[Any, ...], set[str]] = {}
    counts: Counter[tuple[Any, ...]] = Counter()
    for organization in ORGANIZATIONS:
        with catalog.asking(listing(organization), ASKS_FOR_A_LIST):
            for row, count in catalog.rows(dataset).items():
                body = row[:-1] if dataset in EMITTING else row
                singles.setdefault(body, set()).add(str(organization))
                counts[body] = max(counts[body], count)
    with catalog.asking(listing(*ORGANIZATIONS), ASKS_FOR_A_LIST):
        together = catalog.rows(dataset)
    if dataset in EMITTING:
        assert {row[:-1]: set(map(str, row[-1])) for row in together} == singles
        together = Counter({row[:-1]: count for row, count in together.items()})
    assert together == counts


@pytest.mark.parametrize("person", (*PEOPLE, *GUESTS), ids=lambda person: person.name)
def test_a_current_membership_shows_the_person_and_no_other_does(catalog, person):
    """Ended ones (the end date is the first day out), inactive and deleted ones hide; future ones do not."""
    for organization in ORGANIZATIONS:
        with catalog.asking(listing(organization), ASKS_FOR_A_LIST):
            for dataset in DATASETS:
                if person.name in catalog.everybody_behind(dataset):
                    is_shown = person.name in catalog.people(dataset)
                    assert is_shown == (organization in person.organizations), (dataset, organization)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
def test_today_is_the_projects_and_not_the_sessions(catalog, zone):
    """At every hour it is another day than in UTC in at least one of the two distant zones."""
    with catalog.asking(listing(SCHOOL_A), ASKS_FOR_A_LIST) as conn:
        conn.execute("select set_config('timezone', %s, true)", [zone])
        people = catalog.people("students")
    assert BY_NAME["leaves A tomorrow"].name in people
    assert BY_NAME["left A as of today"].name not in people


@pytest.mark.parametrize(
    "setting",
    [
        f"{SCHOOL_A},{SCHOOL_B}",
        f"  {SCHOOL_A} ,\n\t{SCHOOL_B}  ",
        f"{{{SCHOOL_A},{SCHOOL_B}}}",
        f" {{ {SCHOOL_A} , {SCHOOL_B} }} ",
        f"{SCHOOL_B},{SCHOOL_A},{SCHOOL_B}",
        f"{SCHOOL_A},{SCHOOL_B}".upper(),
        f"\v{SCHOOL_A}\f,\r\n{SCHOOL_B}",
    ],
)
def test_ways_to_write_a_list(catalog, setting):
    with catalog.asking(setting, ASKS_FOR_A_LIST):
        assert catalog.rows("students") == catalog.expected("students", frozenset({SCHOOL_A, SCHOOL_B}))


def test_narrow_and_wide_show_the_same_rows(embedded_server, deployed, sources):
    """How many people count as few is a matter of speed alone."""
    with (
        psycopg.connect(embedded_server.dsn(deployed["narrow"]), autocommit=True) as few,
        psycopg.connect(embedded_server.dsn(deployed["wide"]), autocommit=True) as many,
    ):
        # not the same thing twice
        for conn, is_wide in ((few, False), (many, True)):
            query = f"select {INTERNAL}.person_scope_is_wide(array[%s]::uuid[], 0.25)"
            assert conn.execute(query, [SCHOOL_A]).fetchone() == (is_wide,)
        narrow, wide = Catalog(few, sources), Catalog(many, sources)
        for setting in ["*", "", *(listing(*organizations) for organizations in LISTS.values())]:
            with narrow.asking(setting), wide.asking(setting):
                for dataset in DATASETS:
                    assert narrow.rows(dataset) == wide.rows(dataset), (dataset, setting)


# -- everybody ------------------------------------------------------------------------------------


@every_dataset
@pytest.mark.parametrize("setting", ["*", " *\n"])
def test_everybody_may_be_asked_for_by_the_unrestricted(catalog, dataset, setting):
    """By members of timeback_unrestricted and superusers; who has no organization has an empty org_ids."""
    expected = catalog.expected_of_everybody(dataset)
    for role in (MAY_ASK_FOR_ALL, None):
        with catalog.asking(setting, role):
            assert catalog.rows(dataset) == expected, role


def test_a_session_of_nobody_is_for_the_unrestricted(catalog):
    def shown() -> list[tuple[Any, ...]]:
        query = f"select org_ids from {PUBLISHED}.sessions where id = %s and student_id is null"
        return catalog.conn.execute(query, [PERSONLESS_SESSION]).fetchall()

    with catalog.asking("*", MAY_ASK_FOR_ALL):
        assert shown() == [([],)]
    with catalog.asking(listing(*ORGANIZATIONS), MAY_ASK_FOR_ALL):
        assert shown() == []


@every_dataset
def test_asking_for_everybody_is_an_error_for_others(catalog, dataset):
    """Not an empty answer, and not the data."""
    for role in (ASKS_FOR_A_LIST, READER):
        with (
            catalog.asking("*", role),
            pytest.raises(
                psycopg.errors.InsufficientPrivilege, match=re.escape(setting_of(dataset))
            ) as caught,
        ):
            catalog.rows(dataset)
        assert UNRESTRICTED in caught.value.diag.message_hint


def test_being_unrestricted_follows_the_role_that_is_set(catalog):
    """A member that takes on a role of less is of less, and has it back after that."""
    with catalog.asking("*", login=MAY_ASK_FOR_ALL) as conn:
        everybody = catalog.expected_of_everybody("students")
        assert catalog.rows("students") == everybody
        with conn.transaction(), pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            conn.execute(f"set local role {READER}")
            catalog.rows("students")
        conn.execute("reset role")
        assert catalog.rows("students") == everybody


@every_dataset
def test_without_the_role_nobody_is_unrestricted(catalog, dataset):
    """A server may not have it: then lists work as ever, and everybody may be asked for by none."""
    with catalog.asking("*") as conn:
        conn.execute(f"drop role {UNRESTRICTED}")
        for role in (MAY_ASK_FOR_ALL, "postgres"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute(f"set local role {role}")
                catalog.rows(dataset)
        set_scope(conn, listing(SCHOOL_A), local=True)
        assert catalog.rows(dataset) == catalog.expected(dataset, frozenset({SCHOOL_A}))


# -- what is not a list ------------------------------------------------------------------------------

MALFORMED = {
    f"{SCHOOL_A},": "",
    f",{SCHOOL_A}": "",
    f"{SCHOOL_A},,{SCHOOL_B}": "",
    f"{SCHOOL_A}, ,{SCHOOL_B}": "",
    ",": "",
    "{,}": "",
    "{*}": "*",
    f"*,{SCHOOL_A}": "*",
    f"{SCHOOL_A},*": "*",
    "**": "**",
    "all": "all",
    "null": "null",
    "%": "%",
    "' or true --": "' or true --",
    f'{{"{SCHOOL_A}"}}': f'"{SCHOOL_A}"',
    f"'{SCHOOL_A}'": f"'{SCHOOL_A}'",
    f"{{{SCHOOL_A}": f"{{{SCHOOL_A}",
    f"{SCHOOL_A}}}": f"{SCHOOL_A}}}",
    f"{{{{{SCHOOL_A}}}}}": f"{{{SCHOOL_A}}}",
    f"{{{SCHOOL_A}}},{{{SCHOOL_B}}}": f"{SCHOOL_A}}}",
    f"{SCHOOL_A} {SCHOOL_B}": f"{SCHOOL_A} {SCHOOL_B}",
    f"{SCHOOL_A};{SCHOOL_B}": f"{SCHOOL_A};{SCHOOL_B}",
    SCHOOL_A.hex: SCHOOL_A.hex,
    SCHOOL_A.urn: SCHOOL_A.urn,
    str(SCHOOL_A)[:-1]: str(SCHOOL_A)[:-1],
    f"{SCHOOL_A}0": f"{SCHOOL_A}0",
    f"{SCHOOL_A},{str(SCHOOL_B)[:-1]}g": f"{str(SCHOOL_B)[:-1]}g",
    f"{SCHOOL_A}\n{SCHOOL_B}": f"{SCHOOL_A}\n{SCHOOL_B}",
    f"\u00a0{SCHOOL_A}": f"\u00a0{SCHOOL_A}",
    "{": "{",
    "}": "}",
}
"""Setting -> the element that its error names: the first one that is not an organization id."""


@pytest.mark.parametrize("setting", MALFORMED)
def test_what_is_no_list_of_ids_is_an_error_that_names_it(catalog, setting):
    for role in (ASKS_FOR_A_LIST, MAY_ASK_FOR_ALL, None):
        with (
            catalog.asking(setting, role),
            pytest.raises(psycopg.errors.InvalidParameterValue) as caught,
        ):
            catalog.rows("students")
        message = caught.value.diag.message_primary
        assert SETTING in message
        assert f'"{MALFORMED[setting]}"' in message


@every_dataset
def test_a_slip_in_the_list_is_an_error_everywhere(catalog, dataset):
    """Also where the rest of the list would show rows: nothing is shown on a guess."""
    with (
        catalog.asking(f"{SCHOOL_A},school b", MAY_ASK_FOR_ALL),
        pytest.raises(
            psycopg.errors.InvalidParameterValue, match=re.escape(setting_of(dataset)) + ".*school b"
        ),
    ):
        catalog.rows(dataset)


# -- when the setting is read ---------------------------------------------------------------------


def shown_by_all(
    catalog: Catalog, conn: psycopg.Connection | None = None
) -> dict[str, Counter[tuple[Any, ...]]]:
    """dataset -> its rows for whoever is asking."""
    return {dataset: catalog.rows(dataset, conn) for dataset in DATASETS}


def expected_of_all(catalog: Catalog, *organizations: UUID) -> dict[str, Counter[tuple[Any, ...]]]:
    """dataset -> the rows that a caller with this list should see."""
    return {dataset: catalog.expected(dataset, frozenset(organizations)) for dataset in DATASETS}


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan", "force_custom_plan"])
def test_a_prepared_statement_follows_the_setting(catalog, mode):
    """From one execution to the next, and before it the role and the memberships."""
    with psycopg.connect(catalog.conn.info.dsn, autocommit=True) as conn:
        conn.prepare_threshold = None
        conn.execute("select set_config('plan_cache_mode', %s, false)", [mode])
        for dataset in DATASETS:
            # a parameter, since without one there is nothing to plan anew for
            conn.execute(
                sql.SQL("prepare {} (boolean) as select shown.* from ({}) as shown where $1").format(
                    sql.Identifier(dataset), catalog.query(dataset)
                )
            )

        def shown() -> dict[str, Counter[tuple[Any, ...]]]:
            return {
                dataset: Counter(
                    map(
                        _hashable,
                        conn.execute(sql.SQL("execute {} (true)").format(sql.Identifier(dataset))).fetchall(),
                    )
                )
                for dataset in DATASETS
            }

        nothing = expected_of_all(catalog)
        # a reader's plan for one organization has no wide way, one of who may see everybody has both
        for role in (ASKS_FOR_A_LIST, "none"):
            conn.execute(f"set role {role}")
            # more than five rounds, after which `auto` may settle on one plan
            for organizations in [
                (SCHOOL_A,),
                (),
                (SCHOOL_B,),
                (SCHOOL_A, SCHOOL_B),
                (),
                (UNKNOWN,),
                (SCHOOL_B,),
            ]:
                set_scope(conn, listing(*organizations))
                assert shown() == expected_of_all(catalog, *organizations)
        for setting in SETTINGS:
            conn.execute(f"reset {setting}")
        assert shown() == nothing

        with conn.transaction(force_rollback=True):
            set_scope(conn, "*", local=True)
            everybody = {dataset: catalog.expected_of_everybody(dataset) for dataset in DATASETS}
            assert shown() == everybody
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute(f"set local role {ASKS_FOR_A_LIST}")
                shown()
            conn.execute("update operational.one_roster_role set status = 'inactive'")
            conn.execute("update operational.roar_document set data = '{}'")
            set_scope(conn, listing(*ORGANIZATIONS), local=True)
            assert shown() == nothing


def test_a_plan_from_before_the_right_to_see_everybody_is_refused(catalog):
    """Its only way is for the people of some organizations: of everybody it would show nobody."""
    everybody = {dataset: catalog.expected_of_everybody(dataset) for dataset in DATASETS}
    with (
        psycopg.connect(catalog.conn.info.dsn) as conn,
        conn.transaction(force_rollback=True),
    ):
        conn.execute("set local plan_cache_mode = force_generic_plan")
        conn.execute(f"set local role {ASKS_FOR_A_LIST}")
        set_scope(conn, listing(SCHOOL_A), local=True)
        execute = sql.SQL("execute {}")

        def prepare_and_run(dataset: str) -> Counter[tuple[Any, ...]]:
            name = sql.Identifier(dataset)
            conn.execute(sql.SQL("prepare {} as {}").format(name, catalog.query(dataset)))
            return Counter(map(_hashable, conn.execute(execute.format(name)).fetchall()))

        of_school = {dataset: prepare_and_run(dataset) for dataset in DATASETS}
        assert of_school == expected_of_all(catalog, SCHOOL_A)

        conn.execute("reset role")
        conn.execute(f"grant timeback_unrestricted to {ASKS_FOR_A_LIST}")
        conn.execute(f"set local role {ASKS_FOR_A_LIST}")
        set_scope(conn, "*", local=True)
        for dataset in DATASETS:
            with (
                pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refused,
                conn.transaction(),
            ):
                conn.execute(execute.format(sql.Identifier(dataset)))
            assert "timeback_unrestricted" in str(refused.value)
            assert "discard plans" in refused.value.diag.message_hint
        conn.execute("discard plans")
        for dataset in DATASETS:
            rows = conn.execute(execute.format(sql.Identifier(dataset))).fetchall()
            assert Counter(map(_hashable, rows)) == everybody[dataset], dataset


def test_set_local_ends_with_its_transaction(catalog):
    with psycopg.connect(catalog.conn.info.dsn, autocommit=True) as conn:
        nothing = expected_of_all(catalog)
        with conn.transaction():
            set_scope(conn, listing(SCHOOL_A), local=True)
            assert shown_by_all(catalog, conn) == expected_of_all(catalog, SCHOOL_A)
        assert shown_by_all(catalog, conn) == nothing
        with conn.transaction(force_rollback=True):
            set_scope(conn, listing(SCHOOL_A), local=True)
        assert shown_by_all(catalog, conn) == nothing
        with conn.transaction():
            with conn.transaction(force_rollback=True):
                set_scope(conn, listing(SCHOOL_A), local=True)
            assert shown_by_all(catalog, conn) == nothing


def test_a_setting_that_is_reset_shows_no_row(catalog):
    with psycopg.connect(catalog.conn.info.dsn, autocommit=True) as conn:
        for reset in ("reset {}", "reset all", "discard all", "set {} to default"):
            set_scope(conn, listing(SCHOOL_A))
            for dataset in ("students", "roar_users"):
                assert catalog.rows(dataset, conn) == catalog.expected(dataset, frozenset({SCHOOL_A}))
            for setting in SETTINGS:
                conn.execute(reset.format(setting))
            assert shown_by_all(catalog, conn) == expected_of_all(catalog), reset


def test_a_pooled_connection_shows_each_client_its_own(catalog):
    """One connection handed from client to client at the end of each transaction, nothing reset between.

    A client that names no organizations sees none, whoever had the connection before.
    """
    with psycopg.connect(catalog.conn.info.dsn, user=ASKS_FOR_A_LIST) as conn:
        conn.prepare_threshold = 0
        for organizations in [(SCHOOL_A,), None, (SCHOOL_B, DISTRICT), (UNKNOWN,), None, (SCHOOL_A,)]:
            if organizations is not None:
                set_scope(conn, listing(*organizations), local=True)
            assert shown_by_all(catalog, conn) == expected_of_all(catalog, *(organizations or ()))
            conn.commit()


def test_the_setting_of_a_login_role_is_its_scope(catalog):
    """`alter role ... set` is how a consumer without a place for SET gets one."""
    with psycopg.connect(catalog.conn.info.dsn, autocommit=True) as admin:
        for setting in SETTINGS:
            admin.execute(f"alter role {ASKS_FOR_A_LIST} set {setting} = '{listing(SCHOOL_B)}'")
        try:
            with psycopg.connect(catalog.conn.info.dsn, user=ASKS_FOR_A_LIST, autocommit=True) as conn:
                assert shown_by_all(catalog, conn) == expected_of_all(catalog, SCHOOL_B)
        finally:
            for setting in SETTINGS:
                admin.execute(f"alter role {ASKS_FOR_A_LIST} reset {setting}")


PARALLEL = {
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
    "min_parallel_index_scan_size": "0",
    "max_parallel_workers_per_gather": "4",
}


def workers(conn: psycopg.Connection, query: sql.Composable) -> int:
    """How many parallel workers a query really starts."""
    plan = conn.execute(sql.SQL("explain (analyze, format json) {}").format(query)).fetchone()[0][0]["Plan"]

    def launched(node: dict[str, Any]) -> int:
        return node.get("Workers Launched", 0) + sum(map(launched, node.get("Plans", [])))

    return launched(plan)


@pytest.mark.parametrize("organizations", [(SCHOOL_A,), ORGANIZATIONS, None])
def test_parallel_workers_follow_the_setting(catalog, organizations):
    """None asks for everybody. The plans do have workers."""
    role = MAY_ASK_FOR_ALL if organizations is None else ASKS_FOR_A_LIST
    setting = "*" if organizations is None else listing(*organizations)
    alone = set()
    for dataset in DATASETS:
        with catalog.asking(setting) as conn:
            for name, value in PARALLEL.items():
                conn.execute("select set_config(%s, %s, true)", [name, value])
            conn.execute(f"set local role {role}")
            conn.execute("select set_config('plan_cache_mode', 'force_custom_plan', true)")
            shown = catalog.rows(dataset, conn)
            conn.execute("reset role")  # explain (analyze) as the one who may
            started = workers(conn, catalog.query(dataset))
        expected = (
            catalog.expected_of_everybody(dataset)
            if organizations is None
            else catalog.expected(dataset, frozenset(organizations))
        )
        assert shown == expected, dataset
        if not started:
            alone.add(dataset)
    # the people of the way for few come from a function, which no worker shares; deleted users are few
    assert not catalog.for_many or alone <= {"roar_deleted_users"}


def test_the_setting_is_parsed_alike_in_a_worker(catalog):
    """The function that reads it, sent to a worker as a whole: a list, everybody, an error."""
    query = sql.SQL(
        "select is_everyone, org_ids from {}('{}', current_setting('{}', true), null, current_user, false)"
    ).format(sql.Identifier(INTERNAL, "caller_scope"), sql.SQL(SETTING), sql.SQL(SETTING))
    with catalog.asking(listing(SCHOOL_A)) as conn:
        name = "debug_parallel_query" if conn.info.server_version >= 160000 else "force_parallel_mode"
        conn.execute("select set_config(%s, 'on', true)", [name])
        assert workers(conn, query) == 1
        assert conn.execute(query).fetchone() == (False, [SCHOOL_A])
        for setting, error in {
            "*": psycopg.errors.InsufficientPrivilege,
            "x": psycopg.errors.InvalidParameterValue,
        }.items():
            conn.execute("select set_config(%s, %s, true)", [SETTING, setting])
            with pytest.raises(error, match=re.escape(SETTING)), conn.transaction():
                conn.execute(query)


def test_a_change_of_membership_counts_at_once(catalog):
    """No dataset remembers who was where."""
    person = BY_NAME["student of A"]
    with catalog.asking(listing(SCHOOL_A)) as conn:
        for change, is_member in (
            ("end_date = (now() at time zone 'UTC')::date", False),
            ("end_date = null", True),
            ("status = 'tobedeleted'", False),
            ("status = 'active'", True),
        ):
            conn.execute(
                f"update operational.one_roster_role set {change} where user_id = %s and org_id = %s",
                [person.id, SCHOOL_A],
            )
            for dataset in set(DATASETS) - set(OF_ROAR):
                assert (person.name in catalog.people(dataset)) == is_member, (dataset, change)
        for data, is_member in (("{}", False), (f'{{"groups": {{"current": ["{SCHOOL_A}"]}}}}', True)):
            conn.execute(
                "update operational.roar_document set data = %s where path = any(%s)",
                [data, [f"{collection}/{person.id}" for collection in ("users", "deleted-users")]],
            )
            for dataset in set(OF_ROAR) - set(OF_GUESTS):
                assert (person.name in catalog.people(dataset)) == is_member, (dataset, data)


# -- bindings -------------------------------------------------------------------------------------


@every_dataset
def test_a_binding_is_what_a_role_can_see(catalog, dataset):
    """A setting narrows it and never widens it; `*` is all of it, also for the unrestricted."""
    settings = {
        "*": {SCHOOL_A, DISTRICT},
        listing(SCHOOL_A): {SCHOOL_A},
        listing(SCHOOL_A, SCHOOL_B): {SCHOOL_A},
        listing(*ORGANIZATIONS): {SCHOOL_A, DISTRICT},
        listing(SCHOOL_B): set(),
        "": set(),
        "{}": set(),
    }
    with catalog.asking(None):
        catalog.bind((IS_BOUND, SCHOOL_A), (IS_BOUND, DISTRICT))
        catalog.bind((ASKS_FOR_A_LIST, SCHOOL_A), (ASKS_FOR_A_LIST, DISTRICT))
        for (setting, organizations), role in itertools.product(
            settings.items(), (IS_BOUND, ASKS_FOR_A_LIST)
        ):
            for caller in ({"login": role}, {"role": role}):
                with catalog.asking(setting, **caller):
                    shown = catalog.rows(dataset)
                assert shown == catalog.expected(dataset, frozenset(organizations)), (setting, caller)


def test_a_bound_role_is_told_of_a_slip_like_any_other(catalog):
    with catalog.asking("school-a"):
        catalog.bind((IS_BOUND, SCHOOL_A))
        with catalog.asking(None, login=IS_BOUND), pytest.raises(psycopg.errors.InvalidParameterValue):
            catalog.rows("students")


@every_dataset
def test_set_role_does_not_shed_a_binding(catalog, dataset):
    """Nor does it for the role that would be free to ask for everybody."""
    expected = catalog.expected(dataset, frozenset({SCHOOL_A}))
    with catalog.asking(None):
        catalog.bind((IS_BOUND, SCHOOL_A))
        for setting, role in itertools.product(("*", listing(*ORGANIZATIONS)), (None, READER)):
            with catalog.asking(setting, login=IS_BOUND, role=role) as conn:
                assert catalog.rows(dataset) == expected, (setting, role)
                conn.execute("set local role none")
                assert catalog.rows(dataset) == expected, (setting, role)
        # unrestricted by its other role, and allowed to read by this grant: still bound
        catalog.conn.execute(
            sql.SQL("grant usage on schema {} to {}").format(
                sql.Identifier(PUBLISHED), sql.Identifier(UNRESTRICTED)
            )
        )
        catalog.conn.execute(
            sql.SQL("grant select on {} to {}").format(
                sql.Identifier(PUBLISHED, dataset), sql.Identifier(UNRESTRICTED)
            )
        )
        with catalog.asking("*", login=IS_BOUND, role=UNRESTRICTED):
            assert catalog.rows(dataset) == expected


@every_dataset
def test_two_bindings_leave_what_both_allow(catalog, dataset):
    """That of the login and that of the role it has set."""
    with catalog.asking(None):
        catalog.bind((IS_BOUND, SCHOOL_A), (IS_BOUND, SCHOOL_B), (READER, SCHOOL_B), (READER, DISTRICT))
        for setting in ("*", listing(*ORGANIZATIONS)):
            with catalog.asking(setting, login=IS_BOUND, role=READER):
                assert catalog.rows(dataset) == catalog.expected(dataset, frozenset({SCHOOL_B})), setting
            with catalog.asking(setting, login=IS_BOUND):
                both = frozenset({SCHOOL_A, SCHOOL_B})
                assert catalog.rows(dataset) == catalog.expected(dataset, both), setting
        with catalog.asking(listing(SCHOOL_A), login=IS_BOUND, role=READER):
            assert catalog.rows(dataset) == Counter()


def test_bindings_without_a_common_organization_leave_nothing(catalog):
    with catalog.asking(None):
        catalog.bind((IS_BOUND, SCHOOL_A), (READER, SCHOOL_B))
        for setting in ("*", listing(*ORGANIZATIONS)):
            with catalog.asking(setting, login=IS_BOUND, role=READER):
                assert shown_by_all(catalog) == expected_of_all(catalog), setting


def test_a_superuser_can_be_bound_too(catalog):
    with catalog.asking("*"):
        catalog.bind(("postgres", SCHOOL_A))
        assert shown_by_all(catalog) == expected_of_all(catalog, SCHOOL_A)


def test_a_binding_binds_nobody_else(catalog):
    with catalog.asking(None):
        catalog.bind((IS_BOUND, SCHOOL_A), ("nobody of that name", SCHOOL_B))
        with catalog.asking(listing(SCHOOL_B), ASKS_FOR_A_LIST):
            assert shown_by_all(catalog) == expected_of_all(catalog, SCHOOL_B)


@pytest.mark.parametrize("role", [ASKS_FOR_A_LIST, MAY_ASK_FOR_ALL, IS_BOUND])
def test_a_reader_has_no_way_to_the_bindings_or_the_models_behind(catalog, sources, role):
    """Neither to read a model around the scope, nor to write itself a binding."""
    table = f"{INTERNAL}.scope_binding"
    attempts = [f"select from {source}" for source in sources.values()]
    attempts += [f"insert into {table} values ('{role}', '{SCHOOL_B}')", f"delete from {table}"]
    for statement in attempts:
        with catalog.asking("*", login=role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement)


# -- the caller's own predicates ------------------------------------------------------------------


def probed(catalog: Catalog, dataset: str) -> set[str]:
    """The people whose rows a predicate of the caller's gets to see, by the column that tells them apart.

    The predicate costs so little that the planner has it run as early as it may, and it tells what it gets.
    """
    column = META[dataset].get("scope", "student_id")
    if column == "session student":
        column = "session_id"
    told: list[str] = []
    catalog.conn.add_notice_handler(handler := lambda notice: told.append(notice.message_primary))
    try:
        catalog.conn.execute(
            sql.SQL("select from {} where pg_temp.probe({}::text)").format(
                sql.Identifier(PUBLISHED, dataset), sql.Identifier(column)
            )
        )
    finally:
        catalog.conn.remove_notice_handler(handler)
    known = {str(person.id): person.name for person in (*PEOPLE, *GUESTS)} | {
        person.session_id: person.name for person in PEOPLE
    }
    return {known[value] for value in told if value in known}


PROBE = """
create function pg_temp.probe(value text) returns boolean language plpgsql cost 0.0000000001 as
$$ begin raise notice '%', value; return true; end $$
"""


@every_dataset
def test_a_predicate_sees_no_row_before_the_scope_has_removed_it(catalog, dataset):
    """A function of the caller's, a cast, a division: whatever tells its argument in an error or a notice."""
    with catalog.asking(listing(SCHOOL_B), ASKS_FOR_A_LIST) as conn:
        conn.execute(PROBE)
        assert probed(catalog, dataset) == catalog.people(dataset) != set()


@every_dataset
def test_every_scoped_view_is_a_security_barrier(catalog, dataset):
    """Also after a later run, which the views of the second half have behind them."""
    (options,) = catalog.conn.execute(
        "select reloptions from pg_class where oid = to_regclass(%s)", [f"{PUBLISHED}.{dataset}"]
    ).fetchone()
    assert "security_barrier=true" in (options or [])


def test_the_probe_finds_out_a_view_without_a_barrier(embedded_server, deployed, sources, roles):
    """Or the proof above would prove nothing: without a barrier the half for many people tells of others."""
    telling = []
    with psycopg.connect(embedded_server.dsn(deployed["wide"]), autocommit=True) as conn:
        catalog = Catalog(conn, sources)
        for dataset in DATASETS:
            view = sql.Identifier(PUBLISHED, dataset)
            # several, or the wide way would not be in the plan
            with catalog.asking(listing(SCHOOL_B, UNKNOWN)):
                conn.execute(sql.SQL("alter view {} reset (security_barrier)").format(view))
                conn.execute(f"set local role {ASKS_FOR_A_LIST}")
                conn.execute(PROBE)
                if probed(catalog, dataset) - catalog.people(dataset):
                    telling.append(dataset)
    assert {"sessions", "student_journals", "waste_insights"} <= set(telling), telling


def test_a_failing_cast_prints_no_others_journal(catalog):
    with (
        catalog.asking(listing(SCHOOL_B), ASKS_FOR_A_LIST) as conn,
        pytest.raises(psycopg.errors.InvalidTextRepresentation) as caught,
    ):
        conn.execute(f"select from {PUBLISHED}.student_journals where cast(journal_text as int) = 1")
    told = re.search('"secret of (.*)"', str(caught.value))[1]
    assert SCHOOL_B in BY_NAME[told].organizations


# -- scoped on demand -----------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ON_DEMAND)
def test_by_default_the_documented_rows_are_there_without_a_scope(
    embedded_server, people_database, sources, roles, dataset
):
    """The documentation gives these no org_ids; who wants them scoped says so."""
    with psycopg.connect(embedded_server.dsn(people_database, ASKS_FOR_A_LIST), autocommit=True) as conn:
        people = conn.execute(f"select student_id from {PUBLISHED}.{dataset}").fetchall()
    assert Counter(people) == Counter([(person.id,) for person in PEOPLE])


@pytest.mark.parametrize("dataset", ON_DEMAND)
def test_scoping_on_demand_changes_no_column(embedded_server, people_database, catalog, dataset):
    query = """select column_name, ordinal_position, data_type, udt_name from information_schema.columns
        where table_schema = %s and table_name = %s order by ordinal_position"""
    with psycopg.connect(embedded_server.dsn(people_database)) as conn:
        by_default = conn.execute(query, [PUBLISHED, dataset]).fetchall()
    assert catalog.conn.execute(query, [PUBLISHED, dataset]).fetchall() == by_default != []


def test_the_scopes_of_the_project_are_those_that_python_names():
    """dbt_project.yml describes them for the macros; names.py holds what users type."""
    assert [scope.setting for scope in scopes().values()] == list(SCOPE_SETTINGS)
