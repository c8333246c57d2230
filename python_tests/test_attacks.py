"""Every attack on every scoped view, as a reader of one school; and on copies without defences.

What is attacked, and how, is in attacks/. Against the copies the same attacks succeed. How many attempts
were made, on how many views, and what they disclosed is printed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from attacks.session import FOREIGN, INTERNAL, OWN_SCHEMA, Session, SessionInFunction
from attacks.suite import ATTACKS
from attacks.world import (
    BOUND,
    EVERY_ATTACK,
    SCOPED,
    World,
    ask_for,
    bind,
    let_in,
    look_at,
    make_all,
    report,
    with_some_guesses,
)
from scope_ways import answer_as
from timeback_analytics.server import EmbeddedServer

CHANGES_THE_SETTING = ("binding", "pinned path under a binding")


@pytest.fixture(scope="module")
def deployed(
    embedded_server: EmbeddedServer,
    catalog_template: str,
    new_database: Callable[..., str],
    manifest: dict[str, Any],
) -> Iterator[World]:
    """The catalog as deployed, over the rows, with one reader bound to a school and one scoped to it."""
    world = World(embedded_server, new_database("attacked", template=catalog_template))
    let_in(world, manifest)
    with world.connect() as conn:
        answer_as(conn, for_many=False)
    yield world
    # what the roles have in the copies goes with the copies, which new_database drops only later
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        for database in (world.database, "attacked_many", "attacked_bare", "attacked_bare_many"):
            conn.execute(f"drop database if exists {database} with (force)")
        conn.execute(f"drop role {BOUND}, {SCOPED}, attackers")


@pytest.fixture(scope="module")
def deployed_for_many(deployed: World, new_database: Callable[..., str]) -> World:
    """The same, answering through the half of each view that is for many people in scope."""
    world = replace(deployed, database=new_database("attacked_many", template=deployed.database))
    with world.connect() as conn:
        answer_as(conn, for_many=True)
    return world


@pytest.fixture(scope="module")
def bare(deployed: World, deployed_for_many: World, new_database: Callable[..., str]) -> tuple[World, World]:
    """Copies of both without a defence: no barrier, no binding, no lack of rights, no pinned search_path."""
    worlds = tuple(
        replace(world, database=new_database(name, template=world.database))
        for world, name in ((deployed, "attacked_bare"), (deployed_for_many, "attacked_bare_many"))
    )
    for world in worlds:
        with world.connect() as conn:
            for view in world.views:
                conn.execute(sql.SQL("alter view {} set (security_barrier = false)").format(view.quoted))
            for table in ("scope_binding", "roar_scope_binding"):
                conn.execute(f"delete from {INTERNAL}.{table}")
            conn.execute(f"revoke timeback_bound from {BOUND}")
            functions = conn.execute(
                "select oid::regprocedure::text from pg_proc where pronamespace = to_regnamespace(%s)",
                [INTERNAL],
            ).fetchall()
            for (function,) in functions:
                conn.execute(f"alter function {function} reset search_path")
            for schema in (INTERNAL, "operational"):
                conn.execute(f"grant usage on schema {schema} to attackers")
                conn.execute(f"grant select, insert, delete on all tables in schema {schema} to attackers")
    return worlds


def test_there_is_something_to_find(deployed, deployed_for_many):
    """Each view has rows of both schools, and those of the other school can be told."""
    assert len(deployed.views) == 28
    for world in (deployed, deployed_for_many):
        with world.connect() as conn:
            for view in world.views:
                query = sql.SQL("select v::text from {} as v").format(view.quoted)
                ask_for(conn, "*")
                everything = Counter(row for (row,) in conn.execute(query))
                ask_for(conn, world.own)
                own = Counter(row for (row,) in conn.execute(query))
                foreign = everything - own
                assert own == Counter(world.rows[view.name]) and own and foreign, view.name
                assert all(FOREIGN.search(row) for row in foreign), view.name
                assert view.guesses, view.name


def test_no_attack_of_a_bound_reader_returns_counts_or_prints_a_foreign_row(deployed, capsys):
    """It may set what it likes. With a list, its plan would have each way, were it not bound."""
    outcome = make_all(deployed, BOUND, f"{deployed.own}, {deployed.foreign}", ATTACKS)
    report(capsys, "a bound reader", outcome, ATTACKS, deployed)
    assert outcome.disclosures == {}


@pytest.mark.parametrize("way", ["deployed", "deployed_for_many"])
def test_nor_does_one_of_a_reader_whose_client_sets_the_scope(way, request, capsys):
    """Not bound, so that changing the setting is not an attack; by the way for few people, then for many."""
    world = request.getfixturevalue(way)
    attacks = [attack for attack in ATTACKS if attack.needs not in CHANGES_THE_SETTING]
    outcome = make_all(world, SCOPED, world.own, attacks, planners_in_turn=True)
    report(capsys, "a reader with a scope", outcome, attacks, world)
    assert outcome.disclosures == {}


@pytest.mark.parametrize("role", [BOUND, SCOPED])
def test_nor_does_one_on_the_views_in_types_for_every_tool(deployed, manifest, capsys, role):
    """Their casts stand between a reader's filter and the scope."""
    world = replace(deployed)
    with world.connect() as conn:
        look_at(conn, world, manifest, "analytics_bi")
    assert len(world.views) == 28 and all(view.guesses for view in world.views)
    attacks = [attack for attack in ATTACKS if role == BOUND or attack.needs not in CHANGES_THE_SETTING]
    # the casts make no difference between one guess and the next
    world = with_some_guesses(world)
    outcome = make_all(world, role, "*" if role == BOUND else world.own, attacks, planners_in_turn=True)
    report(capsys, f"{role} on analytics_bi", outcome, attacks, world)
    assert outcome.disclosures == {}


POOLER, AGAIN, RENAMED = "attack_pooler", "attack_again", "attack_renamed"
FUNCTION = f"{OWN_SCHEMA}.as_bound"


@pytest.fixture(scope="module")
def other_ways(deployed: World, new_database: Callable[..., str]) -> Iterator[World]:
    """A copy with roles that are bound otherwise: by SET ROLE, in a function, under an old name."""
    world = replace(deployed, database=new_database("attacked_others", template=deployed.database))
    with world.connect() as conn:
        conn.execute(f"create role {POOLER} login in role timeback_reader, attackers")
        conn.execute(f"grant {BOUND} to {POOLER}")
        for _ in range(2):
            # the second one has the name of the first, whose binding is left
            conn.execute(f"drop role if exists {AGAIN}")
            conn.execute(f"create role {AGAIN} login in role timeback_reader, attackers")
            conn.execute(
                f"insert into {INTERNAL}.scope_binding values (%s, %s, %s::regrole) on conflict do nothing",
                [AGAIN, world.own, AGAIN],
            )
        conn.execute(f"grant create, usage on schema {OWN_SCHEMA} to {BOUND}")
        conn.execute(f"set session authorization {BOUND}")
        conn.execute(
            f"""create function {FUNCTION}(query text) returns setof text
            language plpgsql security definer as $$
            declare
                one record;
                line text;
            begin
                if query like 'explain%' then
                    for line in execute query loop return next line; end loop;
                else
                    for one in execute query loop return next one::text; end loop;
                end if;
            end $$"""
        )
    yield world
    with psycopg.connect(deployed.server.dsn("postgres"), autocommit=True) as conn:
        for database in ("attacked_elsewhere", world.database):
            conn.execute(f"drop database if exists {database} with (force)")
        conn.execute(f"drop role {POOLER}, {AGAIN}")


def sees_nothing(world: World) -> World:
    return replace(world, rows={view.name: [] for view in world.views})


def some_of(world: World, number: int) -> World:
    """A few of its views, others for each number; all of them where the environment asks for it."""
    if EVERY_ATTACK:
        return world
    return replace(world, views=world.views[number::8])


def test_nor_does_one_of_a_role_that_is_bound_in_another_database(other_ways, new_database, capsys):
    """As after a dump of the schema, on a logical replica, after a truncate: marked, with no binding here."""
    world = sees_nothing(
        replace(
            some_of(other_ways, 0), database=new_database("attacked_elsewhere", template=other_ways.database)
        )
    )
    with world.connect() as conn:
        conn.execute(f"truncate {INTERNAL}.scope_binding, {INTERNAL}.roar_scope_binding")
    outcome = make_all(world, BOUND, "*", ATTACKS)
    report(capsys, "a reader bound in another database", outcome, ATTACKS, world)
    assert outcome.disclosures == {}


def test_nor_does_one_of_a_renamed_role(other_ways, capsys):
    world = sees_nothing(some_of(other_ways, 1))
    with world.connect() as conn:
        conn.execute(f"alter role {BOUND} rename to {RENAMED}")
        try:
            outcome = make_all(world, RENAMED, "*", ATTACKS)
        finally:
            conn.execute(f"alter role {RENAMED} rename to {BOUND}")
    report(capsys, "a renamed reader", outcome, ATTACKS, world)
    assert outcome.disclosures == {}


def test_nor_does_one_of_a_new_role_of_an_old_name(other_ways, capsys):
    """It has a reader's plans, as it would under any other name, until it is bound or the binding goes."""
    attacks = [attack for attack in ATTACKS if "plan" not in attack.name]
    assert len(attacks) > 40
    world = sees_nothing(some_of(other_ways, 2))
    outcome = make_all(world, AGAIN, "*", attacks)
    report(capsys, "a new role of a dropped reader's name", outcome, attacks, world)
    assert outcome.disclosures == {}


def test_nor_does_one_of_an_unbound_login_that_takes_on_the_bound_role(other_ways, capsys):
    def take_on(conn: psycopg.Connection) -> Session:
        conn.execute(f"set role {BOUND}")
        return Session(conn, other_ways.own, other_ways.foreign)

    # an attack that gives the role back is not an attack by it
    attacks = [attack for attack in ATTACKS if attack.needs not in CHANGES_THE_SETTING]
    world = some_of(other_ways, 3)
    outcome = make_all(world, POOLER, "*", attacks, take_on)
    report(capsys, "a login that has taken on a bound role", outcome, attacks, world)
    assert outcome.disclosures == {}


def test_nor_does_one_within_a_function_of_the_bound_role(other_ways, capsys):
    """Its plans above all: the function's owner is bound, the login that calls it is not."""

    def within(conn: psycopg.Connection) -> Session:
        with conn.transaction():
            ask_for(conn, other_ways.own)
            shown = conn.execute(f"select * from {FUNCTION}('table analytics.students')").fetchall()
        assert sorted(row for (row,) in shown) == sorted(other_ways.rows["students"]) != []
        return SessionInFunction(conn, other_ways.own, other_ways.foreign, function=FUNCTION)

    attacks = [attack for attack in ATTACKS if attack.needs not in CHANGES_THE_SETTING]
    world = some_of(other_ways, 4)
    outcome = make_all(world, POOLER, other_ways.own, attacks, within)
    report(capsys, "within a function of a bound reader's", outcome, attacks, world)
    assert outcome.disclosures == {}


def test_without_the_defences_each_attack_succeeds(bare, capsys):
    """Or the tests above would prove nothing."""
    hits: dict[str, set[str]] = {attack.name: set() for attack in ATTACKS if attack.needs}
    attempts = 0
    one_by_one, for_many = bare
    for world, needs in (
        (for_many, ("barrier",)),
        (one_by_one, ("binding", "rights", "pinned path")),
        (one_by_one, ("pinned path under a binding",)),
    ):
        if "pinned path under a binding" in needs:
            with world.connect() as conn:
                bind(conn, world)
        attacks = [attack for attack in ATTACKS if attack.needs in needs]
        outcome = make_all(world, BOUND, world.own, attacks, planners_in_turn=True)
        attempts += outcome.attempts
        for name, view in outcome.disclosures:
            hits[name].add(view)
    with capsys.disabled():
        print(f"\nwithout defences: {attempts:,} attempts; rows of others were disclosed by")
        for name, views in hits.items():
            print(f"  {name}: {len(views)} of {len(bare[0].views)} views")
    assert [name for name, views in hits.items() if not views] == []
