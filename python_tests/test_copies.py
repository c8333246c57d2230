"""docs/copies.md: a dump and a restore on another server, with the globals first and without them."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from small_project import SmallProject
from timeback_analytics.server import EmbeddedServer

READER, EVERYONE = "copies_reader", "copies_everyone"


@pytest.fixture
def deployed(
    embedded_server: EmbeddedServer,
    new_database: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[SmallProject]:
    """A deployed small catalog, and two readers, one of whom has a default scope in the database."""
    database = new_database("copies")
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        conn.execute(
            """create schema operational;
            create table operational.thing (id int, name text, seen_at timestamptz default now());
            insert into operational.thing (id, name) values (1, 'one'), (2, 'two')"""
        )
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", database)
    project = SmallProject(tmp_path / "project")
    project.internal("int_thing", "select id, name from {{ source('operational', 'thing') }}")
    project.dataset(
        "scoped_things",
        "select thing.id from {{ ref('int_thing') }} as thing "
        "cross join {{ ref('int_caller_scope') }} as scope where scope.is_everyone",
        {"id": "integer"},
        scope="person",
    )
    project.run()
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        conn.execute(f"create role {READER} login in role timeback_reader")
        conn.execute(f"create role {EVERYONE} login in role timeback_reader, timeback_unrestricted")
        conn.execute(f"alter role {EVERYONE} in database {database} set app.allowed_org_ids = '*'")
    yield project
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        for role in (READER, EVERYONE):
            conn.execute(f"drop role {role}")


@pytest.fixture
def other_server(short_tmp: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(short_tmp / "copy", {"fsync": "off", "shared_buffers": "32MB"})
    server.start()
    yield server
    server.stop()


def run(program: Path, *arguments: str, text: str = "", check: bool = True) -> str:
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def answers(server: EmbeddedServer) -> dict[str, list[tuple[int]] | str]:
    """What each role is shown, or the error that it gets."""
    found: dict[str, list[tuple[int]] | str] = {}
    for role in (READER, EVERYONE):
        try:
            with psycopg.connect(server.dsn("copies", role)) as conn:
                found[role] = conn.execute("select id from analytics.scoped_things order by id").fetchall()
        except psycopg.Error as error:
            found[role] = type(error).__name__
    return found


def test_globals_first_and_then_the_database_give_the_same_answers(
    deployed: SmallProject, embedded_server: EmbeddedServer, other_server: EmbeddedServer
) -> None:
    before = answers(embedded_server)
    assert before == {READER: [], EVERYONE: [(1,), (2,)]}
    at = ("-h", str(embedded_server.socket_dir), "-U", "postgres")
    to = ("-X", "-q", "-h", str(other_server.socket_dir), "-U", "postgres", "-d", "postgres")
    bin_dir = embedded_server.bin_dir
    run(bin_dir / "psql", *to, text=run(bin_dir / "pg_dumpall", *at, "--globals-only"), check=False)
    dump = run(bin_dir / "pg_dump", *at, "--create", "copies")
    run(bin_dir / "psql", *to, "-v", "ON_ERROR_STOP=1", text=dump)
    assert answers(other_server) == before


def test_what_is_lost_without_the_globals_a_run_brings_back(
    deployed: SmallProject,
    embedded_server: EmbeddedServer,
    other_server: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Roles come too late: their grants are gone, until the next run."""
    at = ("-h", str(embedded_server.socket_dir), "-U", "postgres")
    to = ("-X", "-q", "-h", str(other_server.socket_dir), "-U", "postgres", "-d", "postgres")
    bin_dir = embedded_server.bin_dir
    run(bin_dir / "psql", *to, text=run(bin_dir / "pg_dump", *at, "--create", "copies"), check=False)
    run(bin_dir / "psql", *to, text=run(bin_dir / "pg_dumpall", *at, "--globals-only"), check=False)
    assert answers(other_server) == dict.fromkeys((READER, EVERYONE), "InsufficientPrivilege")
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(other_server.socket_dir))
    deployed.run()
    found = answers(other_server)
    assert found[READER] == []
    # the setting of the role in the database came with neither: it has to be set again
    assert found[EVERYONE] in ([], [(1,), (2,)])
