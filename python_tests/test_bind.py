"""timeback bind: what it writes, what the bound role then sees on a shared connection, what it refuses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql
from psycopg.types.json import Jsonb

from timeback_analytics.cli import main
from timeback_analytics.server import EmbeddedServer

NORTH, SOUTH, UNKNOWN = (UUID(f"00000000-0000-4000-8000-00000000000{digit}") for digit in "123")
STUDENTS = {"Ada": (NORTH,), "Bea": (SOUTH,), "Cab": (NORTH, SOUTH)}
ROLES = ("bind_north", "bind_south", "bind_both", "bind_pool", "bind_other", "bind_deployer")


@dataclass
class World:
    """Three students of two schools under the whole catalog."""

    server: EmbeddedServer
    database: str
    runner: CliRunner
    env: dict[str, str]

    def timeback(self, *arguments: object, input: str | None = None, target: str = "embedded") -> Result:
        """`timeback *arguments`, as the superuser or as whoever env's PGUSER is on target server."""
        line = [*map(str, arguments), "--target", target]
        return self.runner.invoke(main, line, env=self.env, input=input)

    def bind(self, *arguments: object, **options: str) -> str:
        """What a `timeback bind` that succeeds prints."""
        return self.said("bind", *arguments, **options)

    def said(self, *arguments: object, **options: str) -> str:
        """What a `timeback *arguments` that succeeds prints."""
        result = self.timeback(*arguments, **options)
        assert result.exit_code == 0, result.output
        return result.output

    def refusal(self, *arguments: object, **options: str) -> str:
        """What a `timeback *arguments` that refuses says, on one line."""
        result = self.timeback(*arguments, **options)
        assert result.exit_code != 0 and not isinstance(result.exception, psycopg.Error), result.output
        return " ".join(result.output.split())

    def connect(self, role: str = "postgres") -> psycopg.Connection:
        """A new connection of this role, in autocommit."""
        return psycopg.connect(self.server.dsn(self.database, role), autocommit=True)

    def bindings(self) -> set[tuple[str, UUID]]:
        """The table of bindings."""
        with self.connect() as conn:
            return set(conn.execute("select role_name::text, org_id from analytics_internal.scope_binding"))


@pytest.fixture(scope="module")
def filled(
    embedded_server: EmbeddedServer, catalog_template: str, new_database: Callable[..., str]
) -> Iterator[World]:
    database = new_database("bind", template=catalog_template)
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        conn.execute("set search_path = operational")
        for name, org_id in (("North", NORTH), ("South", SOUTH)):
            conn.execute(
                """insert into one_roster_organization
                (id, name, type, status, date_created, date_last_modified)
                values (%s, %s, 'school', 'active', now(), now())""",
                [org_id, name],
            )
        for name, org_ids in STUDENTS.items():
            conn.execute(
                """with person as (
                    insert into one_roster_user
                    (id, given_name, family_name, status, date_created, date_last_modified)
                    values (gen_random_uuid(), %s, '', 'active', now(), now())
                    returning id
                )
                insert into one_roster_role
                (id, user_id, org_id, role, role_type, status, date_created, date_last_modified)
                select gen_random_uuid(), person.id, org_id, 'student', 'primary', 'active', now(), now()
                from person
                cross join unnest(%s) as org_id""",
                [name, list(org_ids)],
            )
        conn.cursor().executemany(
            "insert into roar_document values (%s, %s, now())",
            [
                (f"districts/{DISTRICT}", '{"name": "Lakeside"}'),
                ("schools/S1", '{"name": 7}'),
                ("users/u1", Jsonb({"districts": {"current": [DISTRICT]}})),
                ("users/u2", Jsonb({"schools": {"current": ["S1"]}})),
                ("users/u3", Jsonb({"families": {"current": ["F1"]}})),
            ],
        )
    yield World(embedded_server, database, CliRunner(), {})


@pytest.fixture
def world(filled: World) -> Iterator[World]:
    """The catalog without a binding and without the roles of these tests."""
    filled.env = {
        "TIMEBACK_EMBEDDED_HOST": str(filled.server.socket_dir),
        "TIMEBACK_EMBEDDED_DATABASE": filled.database,
        "PGHOST": str(filled.server.socket_dir),
        "PGDATABASE": filled.database,
        "PGUSER": "postgres",
    }
    yield filled
    with filled.connect() as conn:
        conn.execute("delete from analytics_internal.scope_binding")
        conn.execute("delete from analytics_internal.roar_scope_binding")
        for role in ROLES:
            if conn.execute("select rolname from pg_roles where rolname = %s", [role]).fetchone():
                conn.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
                conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


DISTRICT = 'north, {upper} "district"'
"""An id of ROAR's that the setting has to quote."""


def roar_users(conn: psycopg.Connection) -> list[str]:
    """The ids of ROAR's users that the caller sees."""
    return [name for (name,) in conn.execute("select id from analytics.roar_users order by id")]


def students(conn: psycopg.Connection) -> list[str]:
    """The names of the students that the caller sees."""
    return [name for (name,) in conn.execute("select name from analytics.students order by name")]


# -- what it does ---------------------------------------------------------------------------------


def test_a_role_bound_in_roar_sees_its_organizations_and_no_roster(world):
    """Nothing of the roster, for which it has no binding; and the other way round for who has no --roar."""
    shown = world.bind("bind_north", "--roar", DISTRICT, "--roar", "S1", "--create")
    assert "bind_north is bound to 2 organizations of ROAR:" in shown
    assert f"{DISTRICT}  Lakeside" in shown and "S1  7" in shown
    assert "Default scope of ROAR: *" in shown and "sees nothing of the roster" in shown
    assert [line.split() for line in shown.splitlines() if "roar_users " in line] == [["roar_users", "2"]]
    with world.connect("bind_north") as conn:
        assert roar_users(conn) == ["u1", "u2"]
        for setting, seen in {"*": ["u1", "u2"], "S1, F1": ["u2"], "F1": [], "": []}.items():
            conn.execute("select set_config('app.allowed_roar_org_ids', %s, false)", [setting])
            assert roar_users(conn) == seen
        for setting in ("*", f"{NORTH},{SOUTH}"):
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [setting])
            assert students(conn) == []
    assert "bind_north: 2 organizations" in world.said("bindings")

    world.bind("bind_north", NORTH)
    with world.connect("bind_north") as conn:
        assert students(conn) == ["Ada", "Cab"]
        # its default of ROAR went with the binding
        assert conn.execute("select current_setting('app.allowed_roar_org_ids', true)").fetchone() == (None,)
        for setting in ("*", "S1, F1"):
            conn.execute("select set_config('app.allowed_roar_org_ids', %s, false)", [setting])
            assert roar_users(conn) == []

    world.bind("bind_north", NORTH, "--roar", "S1")
    with world.connect("bind_north") as conn:
        assert (students(conn), roar_users(conn)) == (["Ada", "Cab"], ["u2"])
    world.said("unbind", "bind_north", "--keep-access")
    with world.connect("bind_north") as conn:
        assert (students(conn), roar_users(conn)) == ([], [])


def test_unknown_organizations_of_roar_are_named(world):
    said = world.refusal("bind", "bind_north", "--roar", "S1", "--roar", "F1", "--create")
    assert "no district, school, class, group or family F1. Nothing was changed" in said
    with world.connect() as conn:
        assert conn.execute("select from analytics_internal.roar_scope_binding").fetchall() == []


@pytest.mark.parametrize("target", ["embedded", "server"])
def test_a_new_role_logs_in_and_sees_its_school_and_no_other(world, target):
    shown = world.bind("bind_north", NORTH, "--create", target=target)
    assert "bind_north is bound to 1 organization:" in shown and f"{NORTH}  North" in shown
    assert [line.split() for line in shown.splitlines() if "students " in line] == [["students", "2"]]
    with world.connect("bind_north") as conn:
        assert students(conn) == ["Ada", "Cab"]
        assert conn.execute("select distinct org_ids from analytics.students").fetchall() == [([NORTH],)]
        for setting, seen in [(f"{NORTH},{SOUTH}", ["Ada", "Cab"]), (SOUTH, []), ("", [])]:
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [str(setting)])
            assert students(conn) == seen


def test_a_new_role_has_no_right_beside_reading(world):
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        rights = conn.execute(
            """select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
            from pg_roles where rolname = 'bind_north'"""
        ).fetchone()
        groups = conn.execute(
            "select roleid::regrole::text from pg_auth_members where member = 'bind_north'::regrole"
        ).fetchall()
    assert rights == (True, False, False, False, False, False)
    assert sorted(groups) == [("timeback_bound",), ("timeback_reader",)]


def test_the_password_is_asked_for_and_stored_as_a_hash(world):
    output = world.bind("bind_north", NORTH, "--create", "--password", input="open sesame\nopen sesame\n")
    assert "sesame" not in output
    with world.connect() as conn:
        stored = conn.execute("select rolpassword from pg_authid where rolname = 'bind_north'").fetchone()[0]
    assert stored.startswith("SCRAM-SHA-256$")
    assert "open sesame" not in stored


def test_without_being_asked_for_there_is_no_password(world):
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        stored = conn.execute("select rolpassword from pg_authid where rolname = 'bind_north'").fetchone()[0]
    assert stored is None


def test_a_later_binding_replaces_the_earlier(world):
    world.bind("bind_north", SOUTH, "--create")
    world.bind("bind_other", NORTH, "--create")
    world.bind("bind_north", NORTH, NORTH, "--default", f"{{{NORTH}}}")
    assert world.bindings() == {("bind_north", NORTH), ("bind_other", NORTH)}
    with world.connect("bind_north") as conn:
        assert students(conn) == ["Ada", "Cab"]


def test_the_default_can_be_narrower_than_the_binding(world):
    world.bind("bind_both", NORTH, SOUTH, "--create", "--default", SOUTH)
    with world.connect("bind_both") as conn:
        assert students(conn) == ["Bea", "Cab"]
        conn.execute("set app.allowed_org_ids = '*'")
        assert students(conn) == ["Ada", "Bea", "Cab"]


def test_no_default_leaves_the_roles_setting_alone(world):
    with world.connect() as conn:
        conn.execute("create role bind_north login in role timeback_reader")
        conn.execute(f"alter role bind_north set app.allowed_org_ids = '{NORTH}'")
    shown = world.bind("bind_north", NORTH, SOUTH, "--no-default")
    assert f"Default scope: {NORTH}" in shown
    with world.connect("bind_north") as conn:
        assert students(conn) == ["Ada", "Cab"]


def test_showing_changes_nothing_and_lists_all(world):
    assert "No role is bound." in world.said("bindings")
    world.bind("bind_north", NORTH, "--create")
    before = world.bindings()
    assert "bind_north is bound to 1 organization" in world.said("bindings", "bind_north")
    assert world.said("bindings") == "bind_north: 1 organization\n"
    assert world.bindings() == before


def test_an_unbound_role_is_a_reader_no_more(world):
    """Without the binding it could ask for every organization by name."""
    world.bind("bind_north", NORTH, "--create")
    assert "sees nothing any more" in world.said("unbind", "bind_north")
    assert world.bindings() == set()
    with world.connect("bind_north") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        students(conn)


def test_unbinding_takes_the_default_and_can_keep_the_access(world):
    world.bind("bind_north", NORTH, "--create")
    assert "may now ask for any" in world.said("unbind", "bind_north", "--keep-access")
    assert "bind_north is not bound: it may ask for any organization" in " ".join(
        world.said("bindings", "bind_north").split()
    )
    with world.connect("bind_north") as conn:
        assert students(conn) == []
        conn.execute(f"set app.allowed_org_ids = '{SOUTH}'")
        assert students(conn) == ["Bea", "Cab"]


def test_a_role_that_would_read_on_is_not_unbound(world):
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("grant select on analytics.students to bind_north")
    assert "would still read the published views" in world.refusal("unbind", "bind_north")
    assert world.bindings() == {("bind_north", NORTH)}


def test_a_dropped_role_can_be_unbound(world):
    """A role of that name that is made later must not be surprised by it."""
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("drop owned by bind_north")
        conn.execute("drop role bind_north")
    assert "no role of this name: dropped" in world.said("bindings")
    world.said("unbind", "bind_north")
    assert world.bindings() == set()


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
            conn.execute("set app.allowed_org_ids = '*'")
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


# -- what it says and refuses ---------------------------------------------------------------------


def test_unknown_organizations_are_named_and_nothing_is_done(world):
    said = world.refusal("bind", "bind_north", NORTH, UNKNOWN, "--create")
    assert str(UNKNOWN) in said and str(NORTH) not in said
    assert world.bindings() == set()
    with world.connect() as conn:
        assert not conn.execute("select rolname from pg_roles where rolname = 'bind_north'").fetchone()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bind", "bind_north", NORTH), "There is no role bind_north"),
        (("bind", "postgres", NORTH, "--create"), "Role postgres exists already"),
        (("bind", "bind_north", "Lincoln"), "'Lincoln' is not a valid UUID"),
        (("bind", "bind_north"), "Which organizations?"),
        (("bind",), "Missing argument 'ROLE'"),
        (("unbind", "bind_north"), "bound to nothing"),
        (("bindings", "bind_north"), "There is no role bind_north"),
        (("bind", "bind_north", NORTH, "--password"), "--create makes"),
        (("bind", "bind_north", NORTH, "--create", "--default", "a,b"), 'holds "a"'),
        (
            ("bind", "bind_north", NORTH, "--create", "--default", SOUTH),
            "the role would not be bound",
        ),
        (("bind", "bind_north", NORTH, "--create", "--schema", "elsewhere"), "not deployed"),
    ],
)
def test_refusals(world, arguments, said):
    assert said in world.refusal(*arguments)
    assert world.bindings() == set()


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("superuser", "is a superuser: the binding narrows the published views and nothing else"),
        ("in role timeback_reader, timeback_unrestricted", "which the binding overrides"),
        ("", "is no member of timeback_reader"),
        (
            "in role timeback_reader, pg_read_all_data",
            "is a member of pg_read_all_data, which reads every table, which its binding does not narrow",
        ),
        ("createrole in role timeback_reader", "may create roles (CREATEROLE)"),
    ],
)
def test_what_a_binding_means_for_other_roles_is_said(world, attributes, said):
    with world.connect() as conn:
        conn.execute(f"create role bind_other login {attributes}")
    assert said in " ".join(world.bind("bind_other", NORTH).split())
    if attributes:
        with world.connect("bind_other") as conn:
            assert students(conn) == ["Ada", "Cab"]


def test_members_of_a_bound_group_are_pointed_out(world):
    with world.connect() as conn:
        conn.execute("create role bind_north in role timeback_reader")
        conn.execute("create role bind_other login in role bind_north")
    assert "bind_other can log in and is bound to nothing" in " ".join(
        world.bind("bind_north", NORTH).split()
    )


def test_whoever_may_not_bind_is_told_so(world):
    world.bind("bind_north", NORTH, "--create")
    world.env["PGUSER"] = "bind_north"
    said = world.refusal("bind", "bind_north", NORTH, SOUTH, target="server")
    assert (
        "bind_north may not read analytics_internal.scope_binding. Connect as the role that deploys" in said
    )
    assert world.bindings() == {("bind_north", NORTH)}
