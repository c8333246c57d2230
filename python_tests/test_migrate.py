"""Migrations of the operational tables under a deployed catalog: what readers notice, and what stays."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from small_project import SmallProject
from soak.readers import Readers
from timeback_analytics.cli import main
from timeback_analytics.errors import TimebackError
from timeback_analytics.job.lock import JobLock
from timeback_analytics.migrate.dependents import dependents_of, oids_of
from timeback_analytics.migrate.run import Migration
from timeback_analytics.migrate.sources import Sources, read_sources
from timeback_analytics.server import EmbeddedServer

READER = "migrate_reader"
ANALYST = "migrate_analyst"
GRANTEE = "migrate_grantee"
OWNER = "migrate_owner"
ROLES = (READER, ANALYST, GRANTEE, OWNER)
TABLES = {"person": ("ops", "person"), "visit": ("ops", "visit")}
# what the catalog reads: id and name of people, and the visits
CHECK = """
select wanted.place, 'is missing or may not be read by ' || current_user
from (values ('ops.person', 'id'), ('ops.person', 'name'), ('ops.visit', 'person_id')) as wanted (place, name)
where not coalesce((
    select has_column_privilege(attrelid, attnum, 'select') from pg_catalog.pg_attribute
    where attrelid = to_regclass(wanted.place) and attname = wanted.name and not attisdropped
), false)
"""
WORLD = f"""
create schema ops;
create table ops.person (id int primary key, name varchar(20), nickname varchar(20), note text);
create table ops.visit (id bigint primary key, person_id int, at date);
insert into ops.person values (1, 'Ada', 'A', 'x'), (2, 'Ben', 'B', 'y');
insert into ops.visit select n, 1 + n % 2, date '2026-01-01' + n from generate_series(1, 50) as n;

create schema analytics authorization {OWNER};
create schema analytics_internal authorization {OWNER};
grant usage on schema ops to {OWNER}, {ANALYST};
grant select on all tables in schema ops to {OWNER};
grant usage on schema analytics to {READER}, {ANALYST};
set role {OWNER};
create view analytics_internal.stg_person as select id, name from ops.person;
create view analytics_internal.stg_visit as select id, person_id, at from ops.visit;
create view analytics.people with (security_barrier = true) as
    select stg_person.id, stg_person.name as "Full Name", count(stg_visit.id) as visits
    from analytics_internal.stg_person
    left join analytics_internal.stg_visit on stg_visit.person_id = stg_person.id
    group by 1, 2;
create view analytics.visits as select id, person_id from analytics_internal.stg_visit;
comment on view analytics.people is 'It''s {{people}}; "all" of them';
comment on column analytics.people."Full Name" is 'name {{0}}';
grant select on analytics.people to {READER}, {ANALYST};
grant select on analytics.visits to {READER};
grant select ("Full Name") on analytics.people to {GRANTEE} with grant option;
reset role;
create schema reporting authorization {ANALYST};
grant usage on schema reporting to {GRANTEE}, {READER};
grant select on ops.person to {ANALYST};
set role {ANALYST};
create view reporting.report with (security_barrier = on) as
    select id, "Full Name" from analytics.people where visits > 0;
create view reporting.checked with (security_invoker = true, check_option = local) as
    select id, name from ops.person where id > 0;
alter view reporting.checked alter column name set default 'nobody';
grant select on reporting.report to {GRANTEE} with grant option;
comment on view reporting.report is 'mine';
revoke delete, insert on reporting.report from {ANALYST};
reset role;
set role {GRANTEE};
grant select on reporting.report to {READER};
reset role;
create materialized view reporting.stored as select * from reporting.report with data;
create unique index stored_id on reporting.stored (id);
alter materialized view reporting.stored owner to {ANALYST};
create materialized view reporting.unfilled (number) as select id from analytics.visits with no data;
"""
EVERYTHING = """
select 'view', c.oid::regclass::text, c.relkind::text, pg_get_userbyid(c.relowner), c.reloptions::text,
    pg_get_viewdef(c.oid), c.relispopulated::text,
    (select array_agg(acl::text order by acl::text)
        from unnest(coalesce(c.relacl, acldefault('r', c.relowner))) as acl)::text,
    obj_description(c.oid, 'pg_class')
from pg_class as c where relnamespace::regnamespace::text in ('analytics', 'analytics_internal', 'reporting')
    and relkind in ('v', 'm')
union all
select 'column', a.attrelid::regclass || '.' || a.attname, a.attnum::text,
    col_description(a.attrelid, a.attnum), a.attacl::text,
    (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = a.attrelid and adnum = a.attnum),
    null, null, null
from pg_attribute as a inner join pg_class as c on c.oid = a.attrelid
where relnamespace::regnamespace::text in ('analytics', 'analytics_internal', 'reporting') and a.attnum > 0
union all
select 'index', indexdef, null, null, null, null, null, null, null
from pg_indexes where schemaname = 'reporting'
order by 1, 2
"""


@pytest.fixture(scope="module")
def template(embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> Iterator[str]:
    """A database with two operational tables, views of ours on them, and others' on those."""
    name = new_database("migrate_template")
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        for role in ROLES:
            conn.execute(f"create role {role} login")
        conn.execute(WORLD)
    yield name
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute("drop database if exists migrate_test with (force)")
        for role in ROLES:
            conn.execute(f"drop owned by {role} cascade")
        for role in ROLES:
            conn.execute(f"drop role {role}")


@pytest.fixture
def dsn(template: str, embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> str:
    return embedded_server.dsn(new_database("migrate_test", template=template))


@pytest.fixture
def conn(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def migration(conn: psycopg.Connection, statements: str, **more: float) -> Migration:
    return Migration(conn, Sources(TABLES, CHECK), "analytics_internal", statements, **more)


def state(conn: psycopg.Connection) -> list[tuple[str | None, ...]]:
    """All that may not be lost, from a query of this test's own."""
    return conn.execute(EVERYTHING).fetchall()


RETYPE = "alter table ops.person alter column name type varchar(40);"
SWAP = """
create table ops.visit_new (like ops.visit including all);
insert into ops.visit_new select * from ops.visit;
alter table ops.visit rename to visit_old;
alter table ops.visit_new rename to visit;
grant select on ops.visit to migrate_owner;
drop table ops.visit_old;
"""
PARTITION = """
alter table ops.visit rename to visit_old;
create table ops.visit (id bigint, person_id int, at date) partition by range (at);
create table ops.visit_2026 partition of ops.visit for values from ('2026-01-01') to ('2026-02-01');
create table ops.visit_rest partition of ops.visit default;
insert into ops.visit select * from ops.visit_old;
grant select on ops.visit to migrate_owner;
"""
IN_THE_WAY = {
    "retype": RETYPE,
    "swap": SWAP,
    "partition": PARTITION,
    "drop": "drop table ops.visit cascade; create table ops.visit (id bigint, person_id int, at date); "
    "grant select on ops.visit to migrate_owner; insert into ops.visit values (1, 1, '2026-01-01');",
}
NOT_IN_THE_WAY = {
    "add": "alter table ops.person add column shoe_size int default 40;",
    "rename what nobody reads": "alter table ops.person rename column nickname to called;",
    "drop what nobody reads": "alter table ops.person drop column note;",
    "index": "create index on ops.visit (at);",
}


@pytest.mark.parametrize("kind", [*IN_THE_WAY, *NOT_IN_THE_WAY])
def test_under_eight_readers_nobody_meets_an_error_and_all_is_as_it_was(
    kind: str, conn: psycopg.Connection, dsn: str
) -> None:
    before = state(conn)
    relations = ["analytics.people", "analytics.visits", "reporting.report", "reporting.stored"]
    with Readers(dsn, relations, number=8, pause=0.002) as readers:
        while readers.answers < 20:
            pass
        done = migration(conn, (IN_THE_WAY | NOT_IN_THE_WAY)[kind]).run()
        seen = readers.answers
        while readers.answers < seen + 20 and not readers.errors:
            pass
    assert readers.errors == [] and readers.empty == []
    assert bool(done.dropped) == (kind in IN_THE_WAY)
    assert state(conn) == before
    # views follow the table that has the name now
    (owners,) = conn.execute("select count(*) from analytics.visits").fetchone()
    assert owners == conn.execute("select count(*) from ops.visit").fetchone()[0]
    conn.execute("insert into ops.visit values (1000, 1, '2026-01-05')")
    assert conn.execute("select count(*) from analytics.visits").fetchone()[0] == owners + 1


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ("alter table ops.person drop column name cascade;", "is missing"),
        ("alter table ops.person rename column name to full_name;", "is missing"),
        ("alter table ops.visit rename to visits;", "is missing"),
        (SWAP.replace("grant select on ops.visit to migrate_owner;", ""), "may not"),
        ("alter table ops.person alter column name type int using id;\nselect 1/0;", "division by zero"),
        (
            "alter table ops.person add column x int;\nnonsense;",
            'syntax error at or near "nonsense", in line 2',
        ),
        (f"{RETYPE} commit; drop table ops.visit cascade;", "transaction"),
        ("drop view analytics.people cascade; create view analytics.people as select 1 as id;", "people"),
    ],
)
def test_what_goes_wrong_leaves_everything_and_says_why(
    statements: str, said: str, conn: psycopg.Connection
) -> None:
    before = state(conn), conn.execute("select * from ops.person").fetchall()
    with pytest.raises(TimebackError, match="as it was") as caught:
        migration(conn, statements).run()
    assert said in str(caught.value)
    assert (state(conn), conn.execute("select * from ops.person").fetchall()) == before


def test_a_dry_run_and_a_plan_change_nothing_and_the_plan_is_plain_sql(
    conn: psycopg.Connection, dsn: str, embedded_server: EmbeddedServer
) -> None:
    before = state(conn)
    one = migration(conn, RETYPE)
    done = one.run(dry_run=True)
    names = {dependent.label for dependent in done.dropped}
    assert names == {
        "analytics_internal.stg_person",
        "analytics.people",
        "reporting.report",
        "reporting.stored",
        "reporting.checked",
    }
    plan = one.plan()
    assert state(conn) == before
    assert conn.execute(
        "select character_maximum_length from information_schema.columns "
        "where table_name = 'person' and column_name = 'name'"
    ).fetchone() == (20,)
    run = subprocess.run(
        [embedded_server.bin_dir / "psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", dsn],
        input=plan,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert state(conn) == before
    assert conn.execute(
        "select character_maximum_length from information_schema.columns "
        "where table_name = 'person' and column_name = 'name'"
    ).fetchone() == (40,)


def test_who_holds_a_lock_is_waited_for_and_then_everything_is_left(
    conn: psycopg.Connection, dsn: str
) -> None:
    before = state(conn)
    with psycopg.connect(dsn) as reader:
        reader.execute("select * from analytics.people")
        with pytest.raises(TimebackError, match="lock"):
            migration(conn, RETYPE, lock_seconds=0.5).run()
        assert state(conn) == before
        reader.rollback()
    assert migration(conn, RETYPE).run().attempts == 1


def test_what_cannot_be_made_again_is_named_beforehand(conn: psycopg.Connection) -> None:
    conn.execute(
        """create function reporting.uses_it() returns bigint language sql
        begin atomic select count(*) from analytics.people; end"""
    )
    with pytest.raises(TimebackError, match=r"function reporting\.uses_it"):
        migration(conn, RETYPE).run()


def test_a_role_without_the_rights_is_told_before_anything_happens(
    dsn: str, conn: psycopg.Connection
) -> None:
    conn.execute(f"alter table ops.person owner to {OWNER}; grant create on schema ops to {OWNER}")
    with (
        psycopg.connect(psycopg.conninfo.make_conninfo(dsn, user=OWNER), autocommit=True) as owner,
        pytest.raises(TimebackError, match=f"not a member of {ANALYST}"),
    ):
        migration(owner, RETYPE).run()


def test_default_privileges_give_nobody_anything_new(conn: psycopg.Connection) -> None:
    before = state(conn)
    conn.execute(f"alter default privileges grant select on tables to public, {GRANTEE}")
    migration(conn, RETYPE).run()
    assert state(conn) == before


def test_around_a_command_what_was_there_comes_back(conn: psycopg.Connection, tmp_path: Path) -> None:
    before = state(conn)
    one = migration(conn, "")
    kept: list[str] = []
    taken = one.drop_dependents(kept.append)
    assert not conn.execute("select to_regclass('analytics.people')").fetchone()[0]
    assert 'create view "analytics"."people"' in kept[0]
    assert one.recreate(taken) == []
    assert state(conn) == before


def test_what_stands_on_a_column(conn: psycopg.Connection) -> None:
    ((oid),) = oids_of(conn, [("ops", "person")]).values()
    dependents = dependents_of(conn, [oid])
    note = conn.execute(
        "select attnum from pg_attribute where attrelid = %s and attname = 'note'", [oid]
    ).fetchone()
    assert {one.name for one in dependents.objects} == {"stg_person", "people", "report", "stored", "checked"}
    assert not [view for view, read in dependents.columns[oid].items() if note[0] in read]


@pytest.fixture
def small(
    embedded_server: EmbeddedServer,
    new_database: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> SmallProject:
    """A deployed small project, which the command line works on."""
    database = new_database("migrate_command")
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        conn.execute(
            """create schema operational;
            create table operational.thing
                (id int, name varchar(9), spare int, seen_at timestamptz default now());
            insert into operational.thing values (1, 'one')"""
        )
    project = SmallProject(tmp_path / "project")
    project.internal("int_thing", "select id, name from {{ source('operational', 'thing') }}")
    project.dataset(
        "things", "select id, name from {{ ref('int_thing') }}", {"id": "integer", "name": "text"}
    )
    for name, value in (
        ("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir)),
        ("TIMEBACK_EMBEDDED_DATABASE", database),
        ("TIMEBACK_PROJECT_DIR", str(project.folder)),
    ):
        monkeypatch.setenv(name, value)
    project.run()
    return project


def test_the_commands(small: SmallProject, tmp_path: Path) -> None:
    """With the sources that dbt knows, and a refusal in the words of check_sources."""
    sources = read_sources(small.folder, "embedded", {})
    assert sources.tables == {"thing": ("operational", "thing")}
    file = tmp_path / "migration.sql"
    file.write_text("alter table operational.thing alter column name type varchar(30);")
    done = CliRunner().invoke(main, ["migrate", "--sql", str(file)])
    assert (
        done.exit_code == 0
        and "were in the way, and were dropped and recreated as they were: 2." in done.output
    ), done.output
    file.write_text("alter table operational.thing rename column name to called;")
    done = CliRunner().invoke(main, ["migrate", "--sql", str(file)])
    assert done.exit_code == 1 and "column name is missing" in done.output, done.output
    told = CliRunner().invoke(main, ["release", "thing", "--column", "name"])
    assert "column name of operational.thing: 2; directly: analytics_internal.int_thing" in told.output
    assert "Datasets: things" in told.output
    assert "Nothing depends on" in CliRunner().invoke(main, ["release", "thing", "--column", "spare"]).output
    assert "has no column" in CliRunner().invoke(main, ["release", "thing", "--column", "nope"]).output
    # an option that is not known is not a command to run
    unknown = CliRunner().invoke(main, ["migrate", "--sql", str(file), "--yes"])
    assert unknown.exit_code == 2 and "No such option" in unknown.output, unknown.output
    failing = CliRunner().invoke(main, ["migrate", "--", sys.executable, "-c", "raise SystemExit(7)"])
    assert failing.exit_code == 7 and "the views are back" in failing.output, failing.output
    # the next deploy finds the catalog as it left it, columns of no other type among it
    assert set(small.run()) == {"int_caller_scope", "int_thing", "things"}


def test_a_migration_runs_under_the_settings_of_its_database(
    small: SmallProject, embedded_server: EmbeddedServer, tmp_path: Path
) -> None:
    """Names without a schema, and strings and dates as the database reads them: not as our sessions do."""
    file = tmp_path / "migration.sql"
    file.write_text(
        r"""alter table thing alter column name type varchar(30);
        update thing set name = 'a\\b ' || '2026-03-02'::date, seen_at = '02/03/2026 00:00Z';"""
    )
    database = os.environ["TIMEBACK_EMBEDDED_DATABASE"]
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        for setting in ("search_path = operational", "standard_conforming_strings = off"):
            conn.execute(f"alter database {database} set {setting}")
        conn.execute(f"alter database {database} set datestyle = 'SQL, DMY'")
        plan = CliRunner().invoke(main, ["migrate", "--sql", str(file), "--plan"])
        assert "set local search_path = operational;" in plan.output, plan.output
        done = CliRunner().invoke(main, ["migrate", "--sql", str(file)])
        assert done.exit_code == 0 and "recreated as they were: 2." in done.output, done.output
        assert conn.execute(
            "select name, seen_at at time zone 'UTC' = '2026-03-02' from operational.thing"
        ).fetchone() == (r"a\b 02/03/2026", True)


@pytest.mark.parametrize("has_lock", [True, False])
def test_an_administrator_migrates_under_the_catalog_of_who_deploys(
    small: SmallProject, embedded_server: EmbeddedServer, tmp_path: Path, has_lock: bool
) -> None:
    """Whoever deploys can take the lock of jobs afterwards; while a job has it, nobody migrates."""
    file = tmp_path / "migration.sql"
    file.write_text("alter table operational.thing alter column name type varchar(30);")
    command = ["migrate", "--sql", str(file)]
    database, deployer = os.environ["TIMEBACK_EMBEDDED_DATABASE"], "migrate_deployer"
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        conn.execute(f"create role {deployer} login")
        try:
            conn.execute(f"grant usage on schema operational to {deployer}")
            conn.execute(f"grant select on operational.thing to {deployer}")
            for schema in ("analytics", "analytics_internal"):
                conn.execute(f"alter schema {schema} owner to {deployer}")
            if has_lock:
                conn.execute("create table analytics_internal.job_lock ()")
            for (relation,) in conn.execute(
                """select oid::regclass::text from pg_class
                where relnamespace::regnamespace::text ~ '^analytics' and relkind in ('r', 'v')"""
            ).fetchall():
                conn.execute(f"alter table {relation} owner to {deployer}")
            done = CliRunner().invoke(main, command)
            assert done.exit_code == 0 and "recreated as they were: 2." in done.output, done.output
            lock = JobLock(lambda: embedded_server.dsn(database, deployer), "analytics", lambda: None)
            lock.acquire()
            try:
                refused = CliRunner().invoke(main, command)
                assert refused.exit_code == 1 and "Another job runs" in refused.output, refused.output
            finally:
                lock.release()
        finally:
            conn.execute(f"drop owned by {deployer} cascade")
            conn.execute(f"drop role {deployer}")


def test_a_source_of_another_name_is_what_the_catalog_reads(conn: psycopg.Connection) -> None:
    """A migration that names no source at all still finds what stands in its way."""
    one = migration(
        conn, "do $$ begin execute 'alter table ops.per' || 'son alter name type varchar(50)'; end $$;"
    )
    assert {dependent.schema for dependent in one.run().dropped} == {
        "analytics",
        "analytics_internal",
        "reporting",
    }
    assert replace(one, statements="select 1").run().dropped == ()
