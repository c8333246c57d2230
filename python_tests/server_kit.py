"""Embedded servers of a test's own, and what it does to them."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from timeback_analytics.server import EmbeddedServer

MakeServer = Callable[..., EmbeddedServer]

SETTINGS = {"fsync": "off", "shared_buffers": "16MB"}

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def without_settings() -> dict[str, str]:
    """This process's environment without what names a server, project or target: PG*, DBT_*, TIMEBACK_*."""
    ours = ("PG", "DBT_", "TIMEBACK_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture(scope="session")
def initialized(short_tmp: Path) -> Path:
    """A data folder that no server runs on, to be copied, which is five times as fast as making one."""
    server = EmbeddedServer(short_tmp / "initialized", SETTINGS)
    server.start()
    server.stop()
    return server.data_dir


@pytest.fixture
def make_server(initialized: Path, folder: Path) -> Iterator[MakeServer]:
    """A server on a data folder, quick and small: make_server(path), or make_server(path, new=True) where
    start() is to make the data folder too. All are stopped at the end, before their folder goes.
    """
    made: list[EmbeddedServer] = []

    def make(data_dir: Path, new: bool = False) -> EmbeddedServer:
        if not new:
            copy(initialized, data_dir)
        server = EmbeddedServer(data_dir, SETTINGS)
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def folder(short_tmp: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of the test's own that a server run by root can reach."""
    path = short_tmp / request.node.name[:40]
    path.mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def let_replicate(server: EmbeddedServer) -> None:
    """Let standbys and copies connect to a running server."""
    with (server.data_dir / "pg_hba.conf").open("a") as rules:
        rules.write("local replication all trust\n")
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute("select pg_reload_conf()")


def give_to_owner_of(server: EmbeddedServer, folder: Path) -> None:
    """Give a copy that root made to the user whom this server runs as."""
    if os.geteuid() == 0:
        owner = server.data_dir.stat()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


def wait_until(is_so: Callable[[], bool]) -> None:
    """For what another server or process does by and by."""
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it does not come about")


def copy(source: Path, target: Path) -> None:
    """Copy a folder with its files' owners."""
    subprocess.run(["cp", "-a", source, target], check=True)


def ask(server: EmbeddedServer, query: str, dsn: str | None = None) -> object:
    """The first column of the query's one row."""
    with psycopg.connect(dsn or server.dsn("postgres"), autocommit=True) as conn:
        return conn.execute(query).fetchone()[0]


def postmaster_pid(server: EmbeddedServer) -> int:
    return int((server.data_dir / "postmaster.pid").read_text().splitlines()[0])


def kill_postmaster(server: EmbeddedServer) -> int:
    """kill -9, and wait until the process is gone; its pid."""
    pid = postmaster_pid(server)
    process = psutil.Process(pid)
    process.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        # somebody else's child: it stays a zombie until init reaps it
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    return pid
