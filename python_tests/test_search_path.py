"""A deploy resolves no name by a path that somebody else can write to, whatever they have planted there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

import dbt_timeback_analytics
from older_server import OlderServer
from small_project import SmallProject
from timeback_analytics import dbt_sessions
from timeback_analytics.connection import SEARCH_PATH, connect
from timeback_analytics.server import EmbeddedServer

DEPLOYER = "path_deployer"
READER = "path_reader"
DATABASE = "search_path"
COLUMNS = {"id": "integer", "name": "text"}

# Whatever of Postgres's own takes text, taking name or varchar instead, which is the better match for a name
# or a literal of no type yet; operators likewise. Each notes who ran it, and fails nothing.
PLANT = """
create table {place}.caught (who name, what text);
grant insert on {place}.caught to public;
-- which no rollback takes back
create sequence {place}.times;
grant usage on {place}.times to public;
create function {place}.note(what text) returns void language plpgsql as
    $body$begin
        insert into {place}.caught values (current_user, what);
        perform nextval('{place}.times');
    end$body$;
create function {place}.alike(l name, r name) returns boolean language plpgsql as
    $body$begin perform {place}.note('operator'); return true; end$body$;
create function {place}.alike(l oid, r regclass) returns boolean language plpgsql as
    $body$begin perform {place}.note('operator'); return l = r::oid; end$body$;
create operator {place}.~~* (leftarg = name, rightarg = name, function = {place}.alike);
create operator {place}.~~ (leftarg = name, rightarg = name, function = {place}.alike);
create operator {place}.= (leftarg = oid, rightarg = regclass, function = {place}.alike);
do $plant$
declare
    one record;
begin
    for one in
        select distinct
            p.proname,
            (
                select string_agg(
                    case kind when 'text'::regtype then other else kind::regtype::text end,
                    ', ' order by place
                )
                from unnest(p.proargtypes::oid[]) with ordinality as argument (kind, place)
            ) as arguments,
            p.prorettype::regtype as returned
        from pg_proc as p
        cross join unnest(array['name', 'varchar']) as other
        where
            p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f'
            and p.provariadic = 0 and not p.proretset
            and 'text'::regtype = any(p.proargtypes)
            and not exists (
                select from unnest(array[p.prorettype] || p.proargtypes::oid[]) as kind
                where kind::regtype::text ~ '^(any|internal|cstring|trigger|void|record|event)'
            )
    loop
        execute format(
            'create or replace function {place}.%I(%s) returns %s language plpgsql as $body$
            begin perform {place}.note(%L); return null; end $body$',
            one.proname, one.arguments, one.returned, one.proname
        );
    end loop;
end
$plant$
"""


@dataclass
class World:
    """A server with a database into which a role of few rights deploys, and a project to deploy."""

    server: EmbeddedServer | OlderServer
    project: SmallProject
    planted_in: list[str] = field(default_factory=list)

    def connect(self, role: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.server.dsn(DATABASE, role), autocommit=True)

    def deploy_as(self, role: str) -> None:
        """Have the profile, one that names no path, log in as this role."""
        path = self.project.folder / "profiles.yml"
        path.write_text(path.read_text().replace("user: postgres", f"user: {role}", 1))

    def plant(self, place: str) -> None:
        """As the reader, who may create in the schema, or may make it."""
        with self.connect(READER) as conn:
            if place != "public":
                conn.execute(f"create schema {place}")
                conn.execute(f"grant usage on schema {place} to public")
            conn.execute(PLANT.replace("{place}", place))
            assert (
                conn.execute(
                    "select count(*) from pg_proc where proowner = %s::regrole", [READER]
                ).fetchone()[0]
                > 50
            )
        self.planted_in.append(place)

    def caught(self) -> list[tuple[str, str]]:
        """Who ran which of the planted ones; somebody something where their transaction was undone."""
        found = []
        with self.connect() as conn:
            for place in self.planted_in:
                found += conn.execute(f"select distinct who::text, what from {place}.caught").fetchall()
                if conn.execute(f"select is_called from {place}.times").fetchone()[0]:
                    found.append(("somebody", "something"))
        return sorted(found)


@pytest.fixture
def world(
    either_server: EmbeddedServer | OlderServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[World]:
    server = either_server
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        for role in ("timeback_reader", "timeback_unrestricted"):
            if not conn.execute("select from pg_roles where rolname = %s", [role]).rowcount:
                conn.execute(f"create role {role} nologin")
        conn.execute(f"create role {DEPLOYER} login")
        conn.execute(f"create role {READER} login in role timeback_reader")
        conn.execute(f"create database {DATABASE}")
    project = SmallProject(tmp_path / "project")
    project.internal("int_thing", "select id, name from {{ source('operational', 'thing') }}")
    project.dataset("things", "select id, name from {{ ref('int_thing') }}", COLUMNS)
    made = World(server, project)
    made.deploy_as(DEPLOYER)
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", DATABASE)
    monkeypatch.delenv("TIMEBACK_SCHEMA", raising=False)
    try:
        with made.connect() as conn:
            conn.execute("revoke create on schema public from public")
            conn.execute("create schema operational")
            conn.execute("create table operational.thing (id int, name text, seen_at timestamptz)")
            conn.execute(f"grant usage on schema operational to {DEPLOYER}")
            conn.execute(f"grant select on operational.thing to {DEPLOYER}")
            for schema in ("analytics", "analytics_internal"):
                conn.execute(f"create schema {schema} authorization {DEPLOYER}")
        yield made
    finally:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
            conn.execute(f"drop database {DATABASE} with (force)")
            conn.execute(f"drop role {DEPLOYER}")
            conn.execute(f"drop role {READER}")


@pytest.fixture
def without_plugin(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and dbt connects as it does where the timeback command is not installed beside it."""

    def take_away() -> None:
        manager = dbt_sessions.PostgresConnectionManager
        monkeypatch.setattr(dbt_timeback_analytics, "settle_sessions_of_dbt", lambda: None)
        if own := getattr(manager.open, "__wrapped__", None):
            monkeypatch.setattr(manager, "open", classmethod(own))

    return take_away


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ("public", f"grant create on schema public to {READER}"),
        (DEPLOYER, f"grant create on database {DATABASE} to {READER}"),
    ],
    ids=["public", "a schema of the deploying role's name"],
)
@pytest.mark.parametrize("deployer", [DEPLOYER, "postgres"])
def test_nothing_planted_runs(world: World, place: str, right: str, deployer: str) -> None:
    """With a profiles.yml that says nothing of a path, as every existing one: run, show, test, docs."""
    if place == DEPLOYER and deployer == "postgres":
        place = '"postgres"'
    with world.connect() as conn:
        conn.execute(right)
        conn.execute(f"alter schema analytics owner to {deployer}")
        conn.execute(f"alter schema analytics_internal owner to {deployer}")
    if deployer != DEPLOYER:
        path = world.project.folder / "profiles.yml"
        path.write_text(path.read_text().replace(f"user: {DEPLOYER}", f"user: {deployer}", 1))
    world.plant(place)
    made = world.project.run()
    assert made["things"] == "created"
    for command in (
        ("show", "--inline", "select quote_ident('x'::name) as x"),
        ("compile",),
        ("docs", "generate"),
    ):
        assert world.project.dbt(*command).success, world.project.text
    assert world.caught() == []


def test_without_the_plugin_the_run_stops_before_anything_planted_has_run(
    world: World, without_plugin: Callable[[], None]
) -> None:
    without_plugin()
    with world.connect() as conn:
        conn.execute(f"grant create on schema public to {READER}")
    world.plant("public")
    said = world.project.fail()
    assert 'The search_path of path_deployer is "$user", public' in said
    assert f"schema public lets {READER} create" in said
    assert (
        f"function quote_ident(name) is owned by {READER}" in said
        or f"quote_ident(name) is owned by {READER}" in said
    )
    assert f"alter role {DEPLOYER} set search_path = pg_catalog, pg_temp" in said
    assert world.caught() == []
    with world.connect() as conn:
        assert conn.execute("select to_regclass('analytics.things')").fetchone() == (None,)
        # what it says to do is enough, and the functions may stay where they are
        conn.execute(f"alter role {DEPLOYER} set search_path = pg_catalog, pg_temp")
    world.project.run()
    assert world.caught() == []


MINE = f"returns int language sql as 'select 1'; alter function mine.f() owner to {READER}"
WAYS_IN = {
    f"grant create on schema mine to {READER}": f"schema mine lets {READER} create",
    "grant create on schema mine to public": "schema mine lets everybody create",
    f"alter schema mine owner to {READER}": f"schema mine is owned by {READER}",
    f"grant create on database {DATABASE} to {READER}": (
        f"schema $user does not exist, and {READER} may create it"
    ),
    f"create function mine.f() {MINE}": f"function f() is owned by {READER}",
    f"create function pg_catalog.f() {MINE}".replace(
        "mine.", "pg_catalog."
    ): f"function f() is owned by {READER}",
    f"create operator mine.=== (leftarg = int, rightarg = int, function = int4eq); "
    f"alter operator mine.=== (int, int) owner to {READER}": (
        f"operator ===(integer,integer) is owned by {READER}"
    ),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_each_way_into_the_path_is_refused(
    world: World, without_plugin: Callable[[], None], way: str
) -> None:
    without_plugin()
    with world.connect() as conn:
        conn.execute("create schema mine")
        conn.execute(f"grant usage on schema mine to {DEPLOYER}")
        path = '"$user", mine' if "database" in way else "mine"
        conn.execute(f"alter role {DEPLOYER} set search_path = {path}")
        conn.execute("set allow_system_table_mods = on")
        conn.execute(way)
    said = world.project.fail()
    assert "Nothing was run." in said and WAYS_IN[way] in said


def test_a_scope_still_comes_from_libpqs_options(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path goes in another way, so that dbt passes on what a user has set for the whole session."""
    monkeypatch.setenv("PGOPTIONS", "-c app.allowed_org_ids=abc -c search_path=public")
    world.project.run()
    shown = world.project.dbt(
        "show",
        "--inline",
        "select current_setting('app.allowed_org_ids') || ', ' || current_setting('search_path') as said",
    )
    assert shown.success, world.project.text
    assert shown.result.results[0].agate_table.rows[0]["said"] == f"abc, {SEARCH_PATH}"


def test_a_rollback_does_not_take_the_path_back(world: World) -> None:
    world.project.run()
    world.project.dataset("broken", "select 1 / 0 as id, 'x'::text as name", COLUMNS)
    settings = "current_setting('search_path') || ' and ' || current_setting('jit')"
    found = f'{{% set found = run_query("select {settings}").columns[0].values()[0] if execute %}}'
    world.project.dataset("names", f"{found} select 1 as id, '{{{{ found }}}}'::text as name", COLUMNS)
    # on one connection, after the failure of another model
    done = world.project.dbt("run", "--threads", "1", "--select", "broken", "names")
    assert not done.success
    with world.connect() as conn:
        assert conn.execute("select name from analytics.names").fetchone() == (f"{SEARCH_PATH} and off",)


def test_every_connection_of_the_command_line_has_the_path(world: World) -> None:
    settings = "select current_setting('search_path'), current_setting('jit')"
    with connect("embedded") as conn:
        assert conn.execute(settings).fetchone() == (SEARCH_PATH, "off")
        conn.rollback()
        assert conn.execute(settings).fetchone() == (SEARCH_PATH, "off")


def test_a_contract_takes_citext_and_the_sources_own_text(world: World) -> None:
    """citext is in no path of ours, and a column of it shows as what it is."""
    with world.connect() as conn:
        if not conn.execute("select from pg_available_extensions where name = 'citext'").rowcount:
            pytest.skip("the server has no citext")
        conn.execute("create extension citext schema operational")
    world.project.internal(
        "int_thing", "select id, name::operational.citext as name from {{ source('operational', 'thing') }}"
    )
    columns = {"id": "integer", "name": "citext"}
    world.project.dataset("things", "select id, name from {{ ref('int_thing') }}", columns)
    world.project.dataset("plain", "select id, name::text as name from {{ ref('int_thing') }}", columns)
    world.project.run()
    with world.connect() as conn:
        types = conn.execute(
            """select attrelid::regclass::text, format_type(atttypid, null) from pg_attribute
            where attrelid in ('analytics.things'::regclass, 'analytics.plain'::regclass) and attname = 'name'
            order by 1"""
        ).fetchall()
    assert types == [("analytics.plain", "text"), ("analytics.things", "operational.citext")]
    world.project.dataset("plain", "select id, id as name from {{ ref('int_thing') }}", columns)
    assert "contract" in world.project.fail("--select", "plain")
