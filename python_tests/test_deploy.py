"""Deploying views in place: what readers, grants, comments and other people's objects notice of it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from small_project import SmallProject
from timeback_analytics.server import EmbeddedServer

READER = "deploy_in_place_reader"
OTHER = "deploy_in_place_other"
INT_THING = "select id, name from {{ source('operational', 'thing') }}"
INT_NAME = "select name from {{ ref('int_thing') }}"
THINGS = "select id, name from {{ ref('int_thing') }}"
MODELS = ("int_caller_scope", "int_thing", "int_name", "things", "names")
COLUMNS = {"id": "integer", "name": "text"}


@pytest.fixture(scope="module")
def roles(embedded_server: EmbeddedServer) -> Iterator[None]:
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        for role in ("timeback_reader", "timeback_unrestricted"):
            if not conn.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
                conn.execute(f"create role {role} nologin")
        conn.execute(f"create role {READER} login in role timeback_reader")
        conn.execute(f"create role {OTHER} login")
        yield
        for role in (READER, OTHER):
            conn.execute(f"drop role {role}")


@pytest.fixture(scope="module")
def template(
    roles: None,
    embedded_server: EmbeddedServer,
    new_database: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A database with the small catalog deployed."""
    name = new_database("deploy_in_place_template")
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute("create schema operational")
        conn.execute("create table operational.thing (id int, name text, seen_at timestamptz default now())")
        conn.execute("insert into operational.thing (id, name) values (1, 'one'), (2, 'two')")
    with pytest.MonkeyPatch.context() as environment:
        _point_at(environment, embedded_server, name)
        made = small_catalog(tmp_path_factory.mktemp("template")).run()
    assert set(made.values()) == {"created"}
    return name


def small_catalog(folder: Path) -> SmallProject:
    """int_thing, int_name on it; dataset things on the first, names on the second."""
    project = SmallProject(folder / "project")
    project.internal("int_thing", INT_THING)
    project.internal("int_name", INT_NAME)
    project.dataset("things", THINGS, COLUMNS)
    project.dataset("names", "select name from {{ ref('int_name') }}", {"name": "text"})
    return project


def _point_at(environment: pytest.MonkeyPatch, server: EmbeddedServer, database: str) -> None:
    environment.setenv("TIMEBACK_EMBEDDED_HOST", str(server.socket_dir))
    environment.setenv("TIMEBACK_EMBEDDED_DATABASE", database)
    environment.delenv("TIMEBACK_SCHEMA", raising=False)


@pytest.fixture
def database(
    template: str,
    embedded_server: EmbeddedServer,
    new_database: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A copy of the template; hashes of what was deployed come along, since oids do."""
    name = new_database("deploy_in_place", template=template)
    _point_at(monkeypatch, embedded_server, name)
    return name


@pytest.fixture
def project(database: str, tmp_path: Path) -> SmallProject:
    """The small project as it is deployed in the database."""
    return small_catalog(tmp_path)


@pytest.fixture
def conn(embedded_server: EmbeddedServer, database: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection in autocommit."""
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        yield conn


def rows_of_catalog(conn: psycopg.Connection) -> list[tuple[str, ...]]:
    """Every row that a deploy could write, with the transaction that wrote it."""
    return conn.execute(
        """select 'class', oid::text, xmin::text from pg_class
        union all select 'rule', oid::text, xmin::text from pg_rewrite
        union all select 'column', attrelid::text || attnum, xmin::text from pg_attribute
        union all select 'comment', objoid::text || objsubid, xmin::text from pg_description
        union all select 'function', oid::text, xmin::text from pg_proc
        union all select 'depends', concat_ws('/', classid, objid, objsubid, refobjid, refobjsubid),
            xmin::text from pg_depend
        union all select 'schema', oid::text, xmin::text from pg_namespace
        union all select 'deployed', view_name, xmin::text from analytics_internal.deployed_view
        order by 1, 2"""
    ).fetchall()


def oid(conn: psycopg.Connection, view: str) -> int:
    return conn.execute("select %s::regclass::oid", [view]).fetchone()[0]


def test_a_run_that_changes_nothing_writes_nothing_and_locks_nothing(
    project, conn, embedded_server, database
):
    """While somebody holds every view for themselves, which any lock of the run's would wait for."""
    before = rows_of_catalog(conn)
    with psycopg.connect(embedded_server.dsn(database)) as holder:
        for schema, view in (
            ("analytics", "things"),
            ("analytics", "names"),
            ("analytics_internal", "int_thing"),
        ):
            holder.execute(f"lock table only {schema}.{view} in access exclusive mode")
        outcomes = project.run(deploy_lock_seconds=0)
    assert outcomes == dict.fromkeys(MODELS, "unchanged")
    assert rows_of_catalog(conn) == before


BY_HAND = {
    "barrier": ("alter view analytics.things set (security_barrier = true)", "replaced"),
    "option": ("alter view analytics.things set (security_invoker = true)", "replaced"),
    "query": ("create or replace view analytics.things as select 7 as id, 'x'::text as name", "replaced"),
    "owner": (f"alter view analytics.things owner to {OTHER}", None),
    "column": ("alter view analytics.things rename column name to called", "columns replaced"),
    "grant": ("revoke select on analytics.things from timeback_reader", "described"),
    "comment": ("comment on view analytics.things is 'mine'", "described"),
    "column's comment": ("comment on column analytics.things.id is null", "described"),
    "gone": ("drop view analytics.things", "created"),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_what_somebody_changed_by_hand_is_mended(project, conn, what):
    statement, outcome = BY_HAND[what]
    state = """select
            pg_get_viewdef('analytics.things'::regclass), reloptions, relowner, relacl,
            obj_description(pg_class.oid, 'pg_class'), col_description(pg_class.oid, 1)
        from pg_class where oid = 'analytics.things'::regclass"""
    before = conn.execute(state).fetchall()
    conn.execute(statement)
    if outcome is None:
        assert OTHER in project.fail()
        conn.execute(f"alter view analytics.things owner to current_user; drop owned by {OTHER}")
        outcome = "unchanged"
    outcomes = project.run(replace_columns=True)
    assert outcomes == {**dict.fromkeys(MODELS, "unchanged"), "things": outcome}
    assert conn.execute(state).fetchall() == before


def test_a_changed_view_keeps_oid_grants_and_what_stands_on_it(project, conn):
    conn.execute(f"grant select on analytics.things to {OTHER}")
    conn.execute("create schema bi; create view bi.report as select name from analytics.things")
    before = oid(conn, "analytics.things")
    project.dataset("things", THINGS + " where id = 2", COLUMNS, "Other words.")
    assert project.run()["things"] == "replaced"
    assert oid(conn, "analytics.things") == before
    assert conn.execute("select * from bi.report").fetchall() == [("two",)]
    assert conn.execute("select has_table_privilege(%s, 'analytics.things', 'select')", [OTHER]).fetchone()[0]
    assert (
        conn.execute("select obj_description('analytics.things'::regclass)").fetchone()[0] == "Other words."
    )


def test_columns_change_only_when_told_to(project, conn):
    project.dataset(
        "things",
        "select name as id, id as called from {{ ref('int_thing') }} -- why",
        {"id": "text", "called": "integer"},
    )
    before = rows_of_catalog(conn)
    said = project.fail()
    assert 'The columns of "analytics"."things" change' in said
    assert "gone: name; new: called; of another type: id (integer, to be text)" in said
    assert "replace_columns: true" in said and "--replace-columns" in said
    assert rows_of_catalog(conn) == before
    assert project.run(replace_columns=True)["things"] == "columns replaced"
    assert conn.execute("select id, called from analytics.things order by called").fetchall() == [
        ("one", 1),
        ("two", 2),
    ]
    assert set(project.run().values()) == {"unchanged"}


def test_new_columns_come_with_the_old_grants(project, conn, embedded_server, database):
    conn.execute(f"grant usage on schema analytics to {OTHER}")
    conn.execute(f"grant select on analytics.things to {OTHER} with grant option")
    project.dataset("things", "select id from {{ ref('int_thing') }}", {"id": "integer"})
    project.run(replace_columns=True)
    for role in (READER, OTHER):
        with psycopg.connect(embedded_server.dsn(database, role)) as session:
            assert session.execute("select * from analytics.things order by id").fetchall() == [(1,), (2,)]
    assert set_aside(conn) == []


def set_aside(conn: psycopg.Connection) -> list[str]:
    """Names of the views that were set aside."""
    found = conn.execute(
        "select relname from pg_class where relname like '%set_aside%' order by 1"
    ).fetchall()
    return [name for (name,) in found]


def test_our_views_go_on_answering_until_their_own_turn_comes(project, conn):
    """A run that ends half-way leaves each view with an answer, and the next run finishes."""
    project.internal("int_thing", "select name as called from {{ source('operational', 'thing') }}")
    project.internal(
        "int_name", "select called as name, 1 / 0 as broken from {{ ref('int_thing') }} where cal led"
    )
    project.dataset("things", "select called from {{ ref('int_thing') }}", {"called": "text"})
    said = project.fail(replace_columns=True)
    assert "int_name" in said
    assert conn.execute("select * from analytics_internal.int_thing").fetchall() == [("one",), ("two",)]
    assert conn.execute("select called from analytics.things").fetchall() == [("one",), ("two",)]
    assert conn.execute("select name from analytics.names").fetchall() == [("one",), ("two",)]
    (kept,) = set_aside(conn)
    assert f"Old columns are kept as analytics_internal.{kept}, since analytics_internal.int_name" in said

    project.internal("int_name", "select called as name from {{ ref('int_thing') }}")
    assert project.run() == {**dict.fromkeys(MODELS, "unchanged"), "int_name": "replaced"}
    assert set_aside(conn) == []
    assert conn.execute("select name from analytics.names").fetchall() == [("one",), ("two",)]


def test_a_run_of_one_model_leaves_the_others_answering(project, conn):
    project.internal("int_thing", "select id::bigint as id, name from {{ source('operational', 'thing') }}")
    assert project.run("--select", "int_thing", replace_columns=True) == {"int_thing": "columns replaced"}
    assert conn.execute("select id, name from analytics.things").fetchall() == [(1, "one"), (2, "two")]
    project.dataset("things", "select id::int as id, name from {{ ref('int_thing') }}", COLUMNS)
    assert project.run()["int_name"] == "replaced"
    assert set_aside(conn) == []


FOREIGN = {
    "view": ("create view bi.report as select id from analytics.things", "bi.report"),
    "stored view": ("create materialized view bi.stored as select id from analytics.things", "bi.stored"),
    "view beside ours": ("create view analytics.mine as select id from analytics.things", "analytics.mine"),
    "function": (
        "create function bi.first() returns setof analytics.things language sql as 'select 1, null::text'",
        "function bi.first()",
    ),
    "function of SQL": (
        "create function bi.count() returns bigint language sql"
        " begin atomic select count(id) from analytics.things; end",
        "function bi.count()",
    ),
    "table": ("create table bi.copy (thing analytics.things)", "column thing of table bi.copy"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_somebody_elses_object_stops_a_change_of_columns(project, conn, what):
    statement, name = FOREIGN[what]
    conn.execute("create schema bi")
    conn.execute(statement)
    project.dataset("things", "select id from {{ ref('int_thing') }}", {"id": "integer"})
    before = rows_of_catalog(conn)
    said = project.fail(replace_columns=True)
    assert f'The columns of "analytics"."things" change, and {name} would stay on the old ones' in said
    assert rows_of_catalog(conn) == before


def test_somebody_elses_view_further_up_does_not_mind(project, conn):
    """Columns of a model behind the dataset change; the dataset is replaced in place, with what is on it."""
    conn.execute("create schema bi; create view bi.report as select id, name from analytics.things")
    project.internal("int_thing", "select name, id, true as extra from {{ source('operational', 'thing') }}")
    outcomes = project.run(replace_columns=True)
    assert outcomes["int_thing"] == "columns replaced" and outcomes["things"] == "replaced"
    assert conn.execute("select * from bi.report").fetchall() == [(1, "one"), (2, "two")]
    assert set_aside(conn) == []


def test_an_appended_column_reaches_what_selects_every_column(project, conn):
    project.internal("int_name", "select * from {{ ref('int_thing') }}")
    project.dataset("names", "select name from {{ ref('int_name') }}", {"name": "text"})
    project.run(replace_columns=True)
    project.internal("int_thing", "select id, name, true as extra from {{ source('operational', 'thing') }}")
    outcomes = project.run()
    assert outcomes["int_thing"] == outcomes["int_name"] == "replaced"
    assert conn.execute("select extra from analytics_internal.int_name").fetchall() == [(True,), (True,)]


def test_a_stored_table_gives_way_to_a_view(project, conn):
    conn.execute("drop view analytics_internal.int_thing cascade")
    conn.execute(
        "create table analytics_internal.int_thing as select id, name from operational.thing where id = 1"
    )
    conn.execute("create view analytics.things as select id, name from analytics_internal.int_thing")
    before = oid(conn, "analytics.things")
    project.run()
    assert oid(conn, "analytics.things") == before
    assert conn.execute("select id from analytics.things").fetchall() == [(1,), (2,)]
    assert set_aside(conn) == []


# -- readers who stay --------------------------------------------------------------------------------


def test_a_long_reader_is_waited_for_without_holding_up_others(project, conn, embedded_server, database):
    """The deploy steps back again and again, so a second reader gets through while the first one stays."""
    project.dataset("things", THINGS + " where id > 1", COLUMNS)
    with psycopg.connect(embedded_server.dsn(database)) as long_reader:
        long_reader.execute("select * from analytics.things").fetchall()
        outcome = {}
        deploy = threading.Thread(target=lambda: outcome.update(project.run(deploy_lock_seconds=60)))
        deploy.start()
        try:
            waits = """select count(*) from pg_locks
                where relation = 'analytics.things'::regclass and not granted"""
            while not conn.execute(waits).fetchone()[0]:
                assert deploy.is_alive()
            # behind the waiting deploy; it would stay there were it not for the step back
            assert conn.execute("select count(*) from analytics.things").fetchone() == (2,)
            assert deploy.is_alive()
        finally:
            long_reader.rollback()
            deploy.join()
    assert outcome["things"] == "replaced"
    assert conn.execute("select count(*) from analytics.things").fetchone() == (1,)


def test_a_reader_who_does_not_go_is_named(project, conn, embedded_server, database):
    project.dataset("things", THINGS + " where id > 1", COLUMNS)
    before = rows_of_catalog(conn)
    with psycopg.connect(embedded_server.dsn(database, READER)) as long_reader:
        long_reader.execute("select * from analytics.things").fetchall()
        said = project.fail(deploy_lock_seconds=0.5)
        assert f"it is locked by process {long_reader.info.backend_pid} of {READER}" in said
    assert rows_of_catalog(conn) == before


# -- the datasets in types that every tool reads ----------------------------------------------------


def test_they_are_made_beside_the_datasets_where_a_run_is_told_to(project, conn):
    """And are as any view of ours: replaced in place, told of and dropped when not wanted any more."""
    assert set(project.run(bi_views=True).values()) == {"unchanged", "created"}
    assert set(project.run(bi_views=True).values()) == {"unchanged"}
    oid = conn.execute("select 'analytics_bi.things'::regclass::oid").fetchone()
    project.dataset("things", THINGS + " where id > 0", COLUMNS)
    assert project.run(bi_views=True)["things"] == "replaced"
    assert conn.execute("select 'analytics_bi.things'::regclass::oid").fetchone() == oid
    assert conn.execute("select id, name from analytics_bi.things order by 1").fetchall() == [
        (1, "one"),
        (2, "two"),
    ]
    project.run(bi_views=False)
    assert "analytics_bi.things has no model any more" in project.text
    project.run(bi_views=False, remove_old_views=True)
    left = conn.execute("select count(*) from pg_views where schemaname = 'analytics_bi'").fetchone()
    assert left == (0,)


def test_a_schema_for_them_that_a_stranger_made_stops_the_run(project, conn):
    conn.execute(f"create schema analytics_bi authorization {OTHER}")
    assert f"schema analytics_bi is owned by {OTHER}" in project.fail(bi_views=True)
    project.run(bi_views=False)


# -- views of models that are gone -------------------------------------------------------------------


def test_a_view_whose_model_is_gone_is_told_of_and_dropped_on_request(project, conn):
    conn.execute("create view analytics.mine as select 1 as one")
    project.remove("names")
    project.remove("int_name")
    project.run()
    assert "analytics.names has no model any more" in project.text
    assert "analytics_internal.int_name has no model any more" in project.text
    assert "mine" not in project.text
    project.run(remove_old_views=True)
    assert "Dropped analytics.names" in project.text and "Dropped analytics_internal.int_name" in project.text
    left = conn.execute(
        "select relname from pg_class where relname in ('names', 'int_name', 'mine')"
    ).fetchall()
    assert left == [("mine",)]
    project.run()
    assert "has no model" not in project.text


def test_a_view_that_somebody_reads_is_not_dropped(project, conn):
    conn.execute("create schema bi; create view bi.report as select name from analytics.names")
    project.remove("names")
    project.run(remove_old_views=True)
    assert "analytics.names has no model any more and is kept: bi.report reads it." in project.text
    assert conn.execute("select count(*) from bi.report").fetchone() == (2,)
