# ruff: noqa: F811  fixtures of bind_world are named as parameters
"""What a bound role sees: on shared connections, with kept plans, after its role has changed."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from bind_world import NORTH, SOUTH, World, filled, students, world  # noqa: F401

# -- shared connections ---------------------------------------------------------------------------


@pytest.fixture
def pool(world: World) -> Iterator[psycopg.Connection]:
    """A pooler's server connection: a login of no rights of its own that takes on the role of each client."""
    world.bind("bind_north", NORTH, "--create")
    world.bind("bind_south", SOUTH, "--create")
    with world.connect() as conn:
        conn.execute("create role bind_pool login noinherit in role bind_north, bind_south")
        conn.execute("alter role bind_pool set app.allowed_org_ids = '*'")
    with world.connect("bind_pool") as conn:
        yield conn


def test_session_pooling_hands_on_a_clean_connection(pool):
    """The pooler says DISCARD ALL between clients, as PgBouncer's server_reset_query does."""
    pool.execute("set role bind_north")
    pool.execute("prepare mine as select name from analytics.students order by name")
    pool.execute(f"set app.allowed_org_ids = '{NORTH}'")
    assert students(pool) == ["Ada", "Cab"]
    pool.execute("discard all")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        students(pool)
    pool.execute("set role bind_south")
    assert students(pool) == ["Bea", "Cab"]


def test_transaction_pooling_shows_each_client_its_own(pool):
    """One connection, clients in turn, nothing reset between them, one statement prepared for all."""
    for _ in range(7):  # beyond the executions after which a plan may become a generic one
        for role, seen in [("bind_north", ["Ada", "Cab"]), ("bind_south", ["Bea", "Cab"])]:
            with pool.transaction():
                pool.execute(f"set local role {role}")
                shown = pool.execute("select name from analytics.students order by name", prepare=True)
                assert [name for (name,) in shown] == seen
    with pool.transaction():
        pool.execute("set local role bind_north")
        pool.execute(f"set local app.allowed_org_ids = '{NORTH},{SOUTH}'")
        assert students(pool) == ["Ada", "Cab"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        students(pool)


def test_a_clients_lasting_setting_does_not_widen_the_next_clients_scope(pool):
    """In transaction mode a SET outlives its client; the binding of the role stands all the same."""
    with pool.transaction():
        pool.execute("set local role bind_south")
        pool.execute(f"set app.allowed_org_ids = '{SOUTH},{NORTH}'")
        assert students(pool) == ["Bea", "Cab"]
    with pool.transaction():
        pool.execute("set local role bind_north")
        assert students(pool) == ["Ada", "Cab"]


def test_a_binding_counts_in_the_session_that_was_there_before_it(world):
    world.bind("bind_both", NORTH, SOUTH, "--create")
    with world.connect("bind_both") as conn:
        assert students(conn) == ["Ada", "Bea", "Cab"]
        world.bind("bind_both", NORTH)
        assert students(conn) == ["Ada", "Cab"]


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_a_plan_that_is_kept_serves_bound_and_unbound(world, mode):
    """The plan for a bound caller is another one; whichever is kept, it shows each caller their own."""
    world.bind("bind_north", NORTH, "--create", "--no-default")
    prepare = "prepare names as select name from analytics.students order by name"
    everybody = ["Ada", "Bea", "Cab"]

    def names(conn: psycopg.Connection) -> list[str]:
        return [name for (name,) in conn.execute("execute names")]

    with world.connect() as conn:
        conn.execute(f"set plan_cache_mode = {mode}")
        for setting in (f"{NORTH},{SOUTH}", "*"):
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [setting])
            for first, second in (("none", "bind_north"), ("bind_north", "none")):
                conn.execute(f"set role {first}")
                conn.execute(prepare)
                for role in (first, second, first):
                    conn.execute(f"set role {role}")
                    assert names(conn) == (everybody if role == "none" else ["Ada", "Cab"])
                conn.execute("deallocate names")


def test_a_bound_roles_plan_has_one_way_alone(world):
    """Also where the role is taken on; the others let filters through, which EXPLAIN would tell of."""
    world.bind("bind_north", NORTH, "--create")

    def ways(conn: psycopg.Connection) -> int:
        plan = conn.execute("explain select * from analytics.students").fetchall()
        return sum("one_roster_user" in line and " on " in line for (line,) in plan)

    with world.connect("bind_north") as conn:
        bound = ways(conn)
    with world.connect() as conn:
        unbound = ways(conn)
        conn.execute("set role bind_north")
        assert ways(conn) == bound
    assert (unbound, bound) == (2, 1)


def test_a_bound_login_keeps_its_binding_in_another_role(world):
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("create role bind_other in role timeback_reader, timeback_unrestricted")
        conn.execute("grant bind_other to bind_north")
    with world.connect("bind_north") as conn:
        conn.execute("set role bind_other")
        assert students(conn) == ["Ada", "Cab"]


# -- what a binding survives ----------------------------------------------------------------------


@pytest.fixture
def copy(world: World, new_database: Callable[..., str]) -> Iterator[Callable[[str], psycopg.Connection]]:
    """Connects to a copy of the database without a binding, as a schema dump or another deployment is."""
    name = new_database("bind_copy", template=world.database)
    with psycopg.connect(world.server.dsn(name), autocommit=True) as conn:
        conn.execute("truncate analytics_internal.scope_binding, analytics_internal.roar_scope_binding")
    yield lambda role: psycopg.connect(world.server.dsn(name, role), autocommit=True)


def everything_it_can_ask_for(conn: psycopg.Connection) -> set[str]:
    """The students that a session sees with any setting."""
    seen = set()
    for setting in ("*", f"{NORTH},{SOUTH}", str(SOUTH)):
        conn.execute("select set_config('app.allowed_org_ids', %s, false)", [setting])
        try:
            seen.update(students(conn))
        except psycopg.errors.InsufficientPrivilege as error:
            assert "asks for every organization" in str(error)
    return seen


def test_a_bound_role_sees_nothing_where_it_has_no_binding(world, copy):
    """In another database of the server, in a copy without rows, after a truncate, by set role too."""
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("create role bind_pool login noinherit in role bind_north")
    with copy("bind_north") as conn:
        assert everything_it_can_ask_for(conn) == set()
    with copy("bind_pool") as conn:
        conn.execute("set role bind_north")
        assert everything_it_can_ask_for(conn) == set()
    with copy("postgres") as conn:  # others are not affected
        assert everything_it_can_ask_for(conn) == {"Ada", "Bea", "Cab"}
    with world.connect() as conn:
        conn.execute("truncate analytics_internal.scope_binding")
    with world.connect("bind_north") as conn:
        assert everything_it_can_ask_for(conn) == set()
    world.bind("bind_north", NORTH)
    with world.connect("bind_north") as conn:
        assert everything_it_can_ask_for(conn) == {"Ada", "Cab"}


def test_a_renamed_role_sees_nothing_until_it_is_bound_again(world):
    world.bind("bind_other", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("alter role bind_other rename to bind_north")
    assert "bind_other: 1 organization   renamed to bind_north" in world.said("bindings")
    with world.connect("bind_north") as conn:
        assert everything_it_can_ask_for(conn) == set()
    world.bind("bind_north", SOUTH)
    assert world.bindings() == {("bind_north", SOUTH)}
    with world.connect("bind_north") as conn:
        assert everything_it_can_ask_for(conn) == {"Bea", "Cab"}


def test_a_new_role_of_an_old_name_sees_nothing_of_the_old_binding(world):
    """Nor what an unbound reader may ask for: its name is that of a bound role."""
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("drop owned by bind_north")
        conn.execute("drop role bind_north")
        conn.execute("create role bind_north login in role timeback_reader")
    assert "not the role of this name that was bound" in world.said("bindings")
    with world.connect("bind_north") as conn:
        assert everything_it_can_ask_for(conn) == set()


def test_roles_that_swap_their_names_swap_nothing_else(world):
    world.bind("bind_north", NORTH, "--create")
    world.bind("bind_south", SOUTH, "--create")
    with world.connect() as conn:
        conn.execute("alter role bind_north rename to bind_other")
        conn.execute("alter role bind_south rename to bind_north")
        conn.execute("alter role bind_other rename to bind_south")
    for role in ("bind_north", "bind_south"):
        with world.connect(role) as conn:
            assert everything_it_can_ask_for(conn) == set()


def test_whoever_may_bind_is_not_bound_by_that(world):
    """Who administers bindings has the marker with the right to grant it, and could take it off itself."""
    with world.connect() as conn:
        conn.execute("create role bind_other login in role timeback_reader")
        conn.execute("grant timeback_bound to bind_other with admin option")
    with world.connect("bind_other") as conn:
        assert everything_it_can_ask_for(conn) == {"Ada", "Bea", "Cab"}
    assert "may grant timeback_bound itself" in world.refusal("bind", "bind_other", NORTH)
    assert world.bindings() == set()


def test_a_membership_that_gives_nothing_does_not_let_ask_for_everybody(world):
    with world.connect() as conn:
        if conn.info.server_version < 160000:
            pytest.skip("before PostgreSQL 16 every membership gives something")
        conn.execute("create role bind_other login in role timeback_reader")
        conn.execute("grant timeback_unrestricted to bind_other with inherit false, set false")
    with world.connect("bind_other") as conn:
        conn.execute("set app.allowed_org_ids = '*'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="bind_other may not"):
            students(conn)
    for option in ("inherit true, set false", "inherit false, set true"):
        with world.connect() as conn:
            conn.execute(f"grant timeback_unrestricted to bind_other with {option}")
        with world.connect("bind_other") as conn:
            conn.execute("set app.allowed_org_ids = '*'")
            assert students(conn) == ["Ada", "Bea", "Cab"]


def test_a_function_that_runs_as_a_bound_role_is_fenced(world):
    """Its owner is who is asking, though neither the login nor a SET ROLE is bound."""
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("create role bind_pool login noinherit in role bind_north")
        conn.execute("create schema if not exists bind_functions authorization bind_north")
        conn.execute("grant usage on schema bind_functions to public")
        conn.execute("set role bind_north")
        conn.execute(
            """create function bind_functions.plan_of(query text) returns setof text
            language plpgsql security definer as
            $$ begin return query execute 'explain ' || query; end $$"""
        )
        conn.execute(
            """create function bind_functions.names() returns setof text language sql security definer as
            $$ select name from analytics.students order by name $$"""
        )
    try:
        with world.connect("bind_pool") as conn:
            # a list, since an unbound caller's plan for one organization has one way, too
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [f"{NORTH}, {SOUTH}"])
            names = [name for (name,) in conn.execute("select * from bind_functions.names()")]
            assert names == ["Ada", "Cab"]
            plan = conn.execute(
                "select * from bind_functions.plan_of('select * from analytics.students')"
            ).fetchall()
            assert sum("one_roster_user" in line and " on " in line for (line,) in plan) == 1
    finally:
        with world.connect() as conn:
            conn.execute("drop schema bind_functions cascade")


def test_a_run_mends_what_a_restore_left(world, dbt):
    """Roles come back with other oids; rows written by hand have none; an earlier version had no mark."""
    for role, school in (("bind_north", NORTH), ("bind_south", SOUTH), ("bind_other", NORTH)):
        world.bind(role, school, "--create")
    with world.connect() as conn:
        bindings = "analytics_internal.scope_binding"
        conn.execute(f"update {bindings} set role_oid = 4294967295 where role_name = 'bind_north'")
        conn.execute(f"update {bindings} set role_oid = null where role_name = 'bind_south'")
        conn.execute("revoke timeback_bound from bind_south")
        # a role of that name that nobody bound
        conn.execute(f"update {bindings} set role_oid = 4294967294 where role_name = 'bind_other'")
        conn.execute("revoke timeback_bound from bind_other")
    with world.connect("bind_north") as conn:
        assert everything_it_can_ask_for(conn) == set()
    dbt(world.database, "run", "--select", "int_caller_scope")
    for role, seen in (("bind_north", {"Ada", "Cab"}), ("bind_south", {"Bea", "Cab"}), ("bind_other", set())):
        with world.connect(role) as conn:
            assert everything_it_can_ask_for(conn) == seen
    with world.connect() as conn:
        marked = conn.execute(
            """select member::regrole::text from pg_auth_members
            where roleid = 'timeback_bound'::regrole and member::regrole::text like 'bind%'
            order by 1"""
        ).fetchall()
    assert marked == [("bind_north",), ("bind_south",)]
