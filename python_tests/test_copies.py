"""docs/copies.md: each of its recipes as it stands there, and what each leaves behind found and mended.

All in one file, since its tests use the same servers, which take long to start.
"""

import os
import pwd
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from copies_kit import (
    BOUND,
    DEPLOYER,
    EVERYONE,
    NORTH,
    READER,
    RIGHT,
    SOUTH,
    Copies,
    answers,
    green,
    recipe,
    run,
    unsynced,
)
from server_kit import give_to_owner_of, let_replicate, wait_until
from small_project import SmallProject
from timeback_analytics.job.outcome import Exit
from timeback_analytics.server import SYSTEM_USER, EmbeddedServer

pytestmark = pytest.mark.takes_long
SETTINGS = {
    "fsync": "off",
    "shared_buffers": "32MB",
    "wal_level": "logical",
    "max_connections": "20",
    "max_standby_streaming_delay": "100ms",
}
OF_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    folder = tmp_path_factory.mktemp("copies")
    project = SmallProject(folder / "project")
    sources = project.folder / "models" / "sources.yml"
    described = yaml.safe_load(sources.read_text())
    described["sources"][0]["schema"] = "public"
    sources.write_text(yaml.safe_dump(described))
    with_org = "select id, name, ('00000000-0000-4000-8000-00000000000' || id)::uuid as org_id from {{ %s }}"
    project.internal("int_thing", with_org % "source('operational', 'thing')")
    project.internal("stg_one_roster_organization", "select org_id, name from {{ ref('int_thing') }}")
    project.dataset(
        "scoped_things",
        "select thing.id from {{ ref('int_thing') }} as thing "
        "cross join {{ ref('int_caller_scope') }} as scope "
        "where scope.is_everyone or thing.org_id = any(scope.org_ids)",
        {"id": "integer"},
        scope="person",
    )
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.startswith(("PG", "DBT_", "TIMEBACK_")):
                environment.delenv(name)
        environment.setenv("TIMEBACK_PROJECT_DIR", str(project.folder))
        # for the audit
        assert project.dbt("parse").success
        yield Copies(project, folder / "jobs", environment)


@pytest.fixture(scope="module")
def new_server(short_tmp: Path) -> Iterator[Callable[[str], EmbeddedServer]]:
    """Starts a server, on a new folder or on one that a recipe has made."""
    started: list[EmbeddedServer] = []

    def start(name: str) -> EmbeddedServer:
        server = EmbeddedServer(short_tmp / name, SETTINGS)
        started.append(server)
        server.start()
        return server

    yield start
    for server in reversed(started):
        server.stop()
        shutil.rmtree(server.data_dir)


@pytest.fixture(scope="module")
def old(copies: Copies, new_server: Callable[[str], EmbeddedServer]) -> EmbeddedServer:
    """The server that is copied."""
    server = new_server("copied")
    let_replicate(server)
    copies.deploy(server.socket_dir)
    assert answers(server.socket_dir) == RIGHT
    return server


def test_globals_first_and_then_the_database_give_the_same_answers(
    copies: Copies, old: EmbeddedServer, new_server: Callable[[str], EmbeddedServer], tmp_path: Path
) -> None:
    new = new_server("restored")
    run(recipe("Dump and restore", old=old.socket_dir, new=new.socket_dir), old.bin_dir, tmp_path)
    # roles have other oids here, so that bindings count only after the first run; nobody sees more before
    before = answers(new.socket_dir)
    assert all(rows in (RIGHT[asked], []) for asked, rows in before.items()), before
    green(copies.job(new.socket_dir))
    assert answers(new.socket_dir) == RIGHT


def test_what_a_restore_lost_the_audit_finds_and_a_run_mends(
    copies: Copies, old: EmbeddedServer, new_server: Callable[[str], EmbeddedServer], tmp_path: Path
) -> None:
    """Without --create, before the roles are there, and as a role that may not alter others."""
    new = new_server("late")
    at = f"-h {new.socket_dir}"
    # roles have other numbers here: that of the bound one is somebody else's
    run(
        f"createuser {at} {DEPLOYER}; createdb {at} --owner {DEPLOYER} platform\n"
        f"pg_dump -h {old.socket_dir} --no-owner platform > platform.sql\n"
        f"psql -q {at} -U {DEPLOYER} -d platform -f platform.sql\n"
        f"pg_dumpall -h {old.socket_dir} --globals-only > globals.sql\n"
        f"psql -q {at} -d postgres -f globals.sql",
        old.bin_dir,
        tmp_path,
    )
    with psycopg.connect(new.dsn("platform")) as conn:
        assert conn.execute(
            "select exists (select from pg_roles inner join analytics_internal.scope_binding "
            "on oid = role_oid and rolname <> role_name)"
        ).fetchone() == (True,)
    assert set(answers(new.socket_dir, (READER, BOUND)).values()) == {"InsufficientPrivilege"}
    found = copies.timeback(new.socket_dir, *copies.audit)
    assert found.exit_code == 1
    assert "analytics.scoped_things timeback_reader may not select from it" in found.output
    assert f"bindings: {BOUND} is not the role of this name that was bound" in found.output
    done = copies.job(new.socket_dir, DEPLOYER)
    assert done.exit_code == Exit.AUDIT, done.output
    # the grants and the binding are mended, and whose right the rest takes is said
    statement = f"alter role {BOUND} in database platform set app.allowed_org_ids = '*'"
    assert copies.step("audit")["details"] == [
        f"bindings: {BOUND} is bound, and its default scope is gone from this database: {statement}"
    ]
    assert statement in done.output
    shown = answers(new.socket_dir, (READER, BOUND))
    assert shown == {who: rows for who, rows in RIGHT.items() if who[0] in (READER, BOUND)} | {
        (BOUND, ""): []
    }
    with psycopg.connect(new.dsn("platform"), autocommit=True) as conn:
        conn.execute(statement)
        green(copies.job(new.socket_dir, DEPLOYER))
        assert answers(new.socket_dir, (BOUND,))[BOUND, ""] == [1]
        # a binding whose role is not on this server
        conn.execute(f"drop role {BOUND}")
        assert (
            f"{BOUND} is bound and is not a role of this server"
            in copies.job(new.socket_dir, DEPLOYER).output
        )
        # nor does a role of its name that somebody else made see what it was bound to, or anything
        conn.execute(f"create role {BOUND} login in role timeback_reader")
        copies.job(new.socket_dir, DEPLOYER)
        assert all(rows != [1] for rows in answers(new.socket_dir, (BOUND,)).values())


def test_a_run_sets_a_default_scope_again_that_is_gone(copies: Copies, old: EmbeddedServer) -> None:
    with psycopg.connect(old.dsn("platform"), autocommit=True) as conn:
        conn.execute(f"alter role {BOUND} in database platform reset app.allowed_org_ids")
    assert answers(old.socket_dir, (BOUND,))[BOUND, ""] == []
    green(copies.job(old.socket_dir))
    assert answers(old.socket_dir) == RIGHT


def test_a_replica_answers_alike_once_its_roles_are_bound_there(
    copies: Copies, old: EmbeddedServer, new_server: Callable[[str], EmbeddedServer], tmp_path: Path
) -> None:
    new = new_server("replica")
    run(recipe("Logical replica", old=old.socket_dir, new=new.socket_dir), old.bin_dir, tmp_path)
    with psycopg.connect(new.dsn("platform"), autocommit=True) as conn:
        try:
            wait_until(lambda: conn.execute("select count(*) from public.thing").fetchone() == (3,))
            green(copies.job(new.socket_dir))
            # a role that is bound anywhere on its server sees nothing where it is not
            assert set(map(str, answers(new.socket_dir, (BOUND,)).values())) == {"[]"}
            bound = copies.timeback(new.socket_dir, "bind", BOUND, NORTH)
            assert bound.exit_code == 0, bound.output
            conn.execute(f"alter role {EVERYONE} in database platform set app.allowed_org_ids = '*'")
            assert answers(new.socket_dir) == RIGHT
            with psycopg.connect(old.dsn("platform"), autocommit=True) as source:
                source.execute("update public.thing set id = 4 where id = 1")
                wait_until(lambda: answers(new.socket_dir, (BOUND,))[BOUND, NORTH] == [])
                source.execute("update public.thing set id = 1 where id = 4")
                wait_until(lambda: answers(new.socket_dir) == RIGHT)
        finally:
            conn.execute("drop subscription if exists timeback")


def test_a_standby_answers_alike_and_says_what_it_cannot_do(
    copies: Copies, old: EmbeddedServer, new_server: Callable[[str], EmbeddedServer], tmp_path: Path
) -> None:
    folder = old.data_dir.parent / "standby"
    run(unsynced(recipe("Standby", old=old.socket_dir, standby_data=folder)), old.bin_dir, tmp_path)
    give_to_owner_of(old, folder)
    standby = new_server("standby")
    assert answers(standby.socket_dir) == RIGHT
    found = copies.timeback(standby.socket_dir, *copies.audit)
    assert found.exit_code == 0, found.output
    assert "PostgreSQL 18" in copies.timeback(standby.socket_dir, "status").output
    (tmp_path / "migration.sql").write_text("alter table public.thing add column size int;")
    migrate = ("migrate", "--sql", str(tmp_path / "migration.sql"))
    for line in (("bind", BOUND, SOUTH), ("unbind", BOUND), migrate, ("job", "--state", str(copies.state))):
        refused = copies.timeback(standby.socket_dir, *line)
        assert refused.exit_code != 0 and "Traceback" not in refused.output, refused.output
        assert re.search("read-only|standby|takes no writes", refused.output), refused.output
    with (
        psycopg.connect(standby.dsn("platform"), autocommit=True) as there,
        psycopg.connect(old.dsn("platform"), autocommit=True) as conn,
    ):
        # what the primary ends goes on here until it is replayed
        there.execute("select pg_wal_replay_pause()")
        paused = copies.timeback(standby.socket_dir, "standby", user=READER)
        assert (paused.exit_code, "Replay is paused" in paused.output) == (1, True), paused.output
        assert copies.timeback(old.socket_dir, "bind", BOUND, SOUTH).exit_code == 0
        assert answers(old.socket_dir, (BOUND,))[BOUND, "*"] == [2]
        assert answers(standby.socket_dir, (BOUND,))[BOUND, "*"] == [1]
        there.execute("select pg_wal_replay_resume()")
        wait_until(lambda: answers(standby.socket_dir, (BOUND,))[BOUND, "*"] == [2])
        assert copies.timeback(old.socket_dir, "bind", BOUND, NORTH).exit_code == 0
        wait_until(lambda: answers(standby.socket_dir) == RIGHT)
        # a view that is replaced ends who reads it there
        with psycopg.connect(standby.dsn("platform", EVERYONE)) as reader:
            reader.execute("select count(*) from analytics.scoped_things")
            conn.execute("alter view analytics.scoped_things set (security_barrier = true)")
            with pytest.raises(psycopg.errors.OperationalError, match="conflict with recovery"):
                wait_until(lambda: reader.execute("select 1").fetchone() is None)
        check_how_far_a_standby_is_behind(copies, old, standby, there, conn)
    assert answers(standby.socket_dir) == RIGHT


def check_how_far_a_standby_is_behind(
    copies: Copies,
    old: EmbeddedServer,
    standby: EmbeddedServer,
    there: psycopg.Connection,
    conn: psycopg.Connection,
) -> None:
    """What `timeback standby` says of it, to whom the primary's last word is shown and to whom it is not."""

    def said(max_lag: float, user: str = "postgres", host: Path = standby.socket_dir) -> tuple[int, str]:
        found = copies.timeback(host, "standby", "--max-lag", str(max_lag), user=user)
        return found.exit_code, found.output

    conn.execute("update public.thing set name = name")
    wait_until(lambda: said(60)[0] == 0)
    assert "since the primary was heard" in said(60)[1]
    code, words = said(60, READER)
    assert code == 0 and "since the last transaction that is replayed" in words
    assert "max_standby" not in words
    code, words = said(0)
    assert code == 1 and "The standby lags" in words and "pg_read_all_stats" not in words
    code, words = said(0, READER)
    assert code == 1 and "pg_read_all_stats" in words
    code, words = said(60, host=old.socket_dir)
    assert code == 1 and "not a standby" in words
    # heard, and not replayed: it is as old as what is
    there.execute("alter system set recovery_min_apply_delay = '1h'")
    there.execute("select pg_reload_conf()")
    try:
        wait_until(lambda: there.execute("show recovery_min_apply_delay").fetchone() == ("1h",))
        conn.execute("update public.thing set name = name")
        wait_until(
            lambda: (
                there.execute("select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()").fetchone()
                == (True,)
            )
        )
        code, words = said(0.001)
        assert code == 1 and "since the last transaction that is replayed" in words
        code, words = said(1000)
        assert code == 0 and "recovery_min_apply_delay lets replay wait for 3600 s" in words
    finally:
        there.execute("alter system reset recovery_min_apply_delay")
        there.execute("select pg_reload_conf()")
    wait_until(lambda: said(60)[0] == 0)


@pytest.mark.skipif(not OF_15.exists(), reason="needs Debian's PostgreSQL 15 (apt-get install postgresql-15)")
def test_an_upgrade_takes_everything_along(
    copies: Copies, new_server: Callable[[str], EmbeddedServer], short_tmp: Path
) -> None:
    """From 15 to 18, both stopped, in the middle of a life with bindings."""
    folder, bin_dir = short_tmp / "upgrade", EmbeddedServer(short_tmp / "any").bin_dir
    folder.mkdir()
    if os.geteuid() == 0:
        user = pwd.getpwnam(SYSTEM_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
    settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    control = f"{OF_15}/pg_ctl -D {folder}/old_data -w -l {folder}/log -o '{settings}'"
    run(
        f"{OF_15}/initdb --no-sync -D {folder}/old_data -U postgres --auth=trust -E utf8 --locale=C.UTF-8\n"
        f"{control} start",
        OF_15,
        folder,
        SYSTEM_USER,
    )
    try:
        copies.deploy(folder)
        assert answers(folder) == RIGHT
    finally:
        run(f"{control} -m fast stop", OF_15, folder, SYSTEM_USER)
    places = {"old_bin": OF_15, "new_bin": bin_dir, "old_data": folder / "old_data"}
    new_data = short_tmp / "upgraded"
    new_data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(new_data, user.pw_uid, user.pw_gid)
    run(unsynced(recipe("pg_upgrade", **places, new_data=new_data)), bin_dir, folder, SYSTEM_USER)
    (new_data / "postgresql.conf").open("a").write("\ninclude 'timeback.conf'\n")
    new = new_server("upgraded")
    assert answers(new.socket_dir) == RIGHT
    found = copies.timeback(new.socket_dir, *copies.audit)
    assert found.exit_code == 0, found.output
    green(copies.job(new.socket_dir))
    assert answers(new.socket_dir) == RIGHT
