"""Who reaches the embedded server, and how: TCP, the folders of its socket and data, other users."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from server_kit import MakeServer, as_root, ask, folder, initialized, make_server, postmaster_pid
from timeback_analytics.server import ServerError

__all__ = ["folder", "initialized", "make_server"]

pytestmark = pytest.mark.takes_long


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_tcp_takes_the_password_alone(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    port = free_port()
    server.listen_on_tcp(port)
    server.start()
    assert ask(server, "select 1", server.tcp_dsn("postgres")) == 1
    assert ask(server, "select 1") == 1, "the socket keeps its name"
    wrong = server.tcp_dsn("postgres").replace(server.tcp_password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    assert {found.laddr.ip for found in psutil.Process(postmaster_pid(server)).net_connections("inet")} == {
        "127.0.0.1"
    }
    for path in folder.iterdir():
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0, path
    assert server.tcp_password not in (server.data_dir / "server.log").read_text()

    password = server.tcp_password
    server.stop()
    server.start()
    assert server.tcp_password == password, "a data source that was set up once keeps working"

    server.stop()
    server.listen_on_tcp(None)
    server.start()
    assert ask(server, "show listen_addresses") == ""


def test_taken_port_is_named(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server.listen_on_tcp(port)
        with pytest.raises(ServerError, match=f"--tcp {port}"):
            server.start()


@as_root
def test_refuses_a_socket_folder_that_somebody_else_made(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.socket_dir.mkdir(mode=0o777)
    os.chown(server.socket_dir, 65534, 65534)
    try:
        with pytest.raises(ServerError, match="nobody made it"):
            server.start()
    finally:
        server.socket_dir.rmdir()
    server.socket_dir.symlink_to(folder)
    try:
        with pytest.raises(ServerError, match="should be a folder"):
            server.start()
    finally:
        server.socket_dir.unlink()
    server.start()


@as_root
def test_root_opens_no_more_than_the_way_through(make_server: MakeServer, folder: Path) -> None:
    private = folder / "private"
    (private / "project").mkdir(parents=True)
    private.chmod(0o700)
    server = make_server(private / "project" / "pgdata", new=True)
    server.start()
    assert ask(server, "select 1") == 1
    assert private.stat().st_mode & 0o777 == 0o701
    assert server.data_dir.stat().st_uid != 0
    assert psutil.Process(postmaster_pid(server)).uids().real == server.data_dir.stat().st_uid


@as_root
def test_another_user_is_told_whose_it_is(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    folder.chmod(0o755)
    source = Path(__file__).resolve().parents[1] / "src"
    script = (
        f"import os, sys; sys.path[:0] = {[str(source), *sys.path]!r};"
        "from pathlib import Path; from timeback_analytics.server import EmbeddedServer;"
        f"os.setgid(65534); os.setuid(65534); EmbeddedServer(Path({str(server.data_dir)!r})).start()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "belongs to pgserver, and you are nobody" in result.stderr
    assert server.is_running()


@as_root
def test_root_runs_the_server_of_a_user_as_that_user(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    server.stop()
    for path in (server.data_dir, *server.data_dir.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    server.start()
    assert psutil.Process(postmaster_pid(server)).uids().real == 65534
    assert ask(server, "select 1") == 1


def test_stop_waits_for_nobody(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    with psycopg.connect(server.dsn("postgres")) as conn:
        conn.execute("select 1")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            conn.execute("select 1")


def test_stop_of_a_stopped_server_ends_no_process(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    pid = postmaster_pid(server)
    os.kill(pid, signal.SIGTERM)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=60)
    assert not server.is_running()
    server.stop()
    server.start()
    assert server.is_running()
