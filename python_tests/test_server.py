"""The embedded server on its own: where it lives, and what it survives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from server_kit import (
    MakeServer,
    ask,
    copy,
    folder,
    initialized,
    kill_postmaster,
    make_server,
    postmaster_pid,
)
from timeback_analytics.server import EmbeddedServer, ServerError

__all__ = ["folder", "initialized", "make_server"]

pytestmark = pytest.mark.takes_long


def test_is_postgres_18_in_utf8(embedded_server: EmbeddedServer) -> None:
    assert str(ask(embedded_server, "show server_version")).startswith("18.")
    assert ask(embedded_server, "show server_encoding") == "UTF8"
    locale = "select datlocprovider::text || ' ' || datlocale from pg_database where datname = 'postgres'"
    assert ask(embedded_server, locale) == "b C.UTF-8"
    assert ask(embedded_server, "select upper('é') collate \"default\"") == "É"
    assert ask(embedded_server, "show timezone") == "UTC"


def test_has_no_tcp_unless_asked(embedded_server: EmbeddedServer) -> None:
    assert ask(embedded_server, "show listen_addresses") == ""
    with pytest.raises(ServerError, match="--tcp"):
        embedded_server.tcp_dsn()


def test_data_and_socket_are_closed_to_others(embedded_server: EmbeddedServer) -> None:
    for path in (embedded_server.data_dir, embedded_server.socket_dir):
        assert path.stat().st_mode & 0o077 == 0, path


def test_second_start_leaves_the_server_alone(embedded_server: EmbeddedServer) -> None:
    pid = postmaster_pid(embedded_server)
    EmbeddedServer(embedded_server.data_dir).start()
    assert postmaster_pid(embedded_server) == pid


def test_stop_and_start_keep_the_data(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    assert not server.is_running()
    server.stop()
    server.start()
    server.ensure_database("kept")
    server.ensure_database("kept")
    with psycopg.connect(server.dsn("kept")) as idle:
        idle.execute("create table kept (x int)")
        idle.commit()
        server.stop()
    assert not server.is_running()
    assert not (server.data_dir / "postmaster.pid").exists()
    assert not server.socket_dir.exists()
    server.start()
    assert ask(server, "select count(*) from kept", server.dsn("kept")) == 0


def test_long_path_with_spaces_and_quotes(make_server: MakeServer, folder: Path) -> None:
    deep = folder / ("a long folder's name " * 5) / ("ü" * 60) / "more of it, %20 and 'quotes'"
    deep.mkdir(parents=True)
    server = make_server(deep / "pgdata", new=True)
    server.start()
    assert ask(server, "select 1") == 1
    assert len(bytes(server.socket_dir / ".s.PGSQL.65535")) < 107
    psql = subprocess.run(
        [server.bin_dir / "psql", "-XAtd", server.dsn("postgres"), "-c", "show data_directory"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert psql.stdout.strip() == str(server.data_dir)


def test_checkouts_never_meet(make_server: MakeServer, folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
    servers = [make_server(folder / name / "pgdata") for name in ("one", "two")]
    for server in servers:
        server.start()
        server.ensure_database(server.data_dir.parent.name)
    assert ask(servers[0], "select count(*) from pg_database where datname = 'two'") == 0
    servers[0].stop()
    assert ask(servers[1], "select 1") == 1


def test_a_link_to_the_checkout_is_the_checkout(make_server: MakeServer, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    server = make_server(folder / "real" / "pgdata")
    server.start()
    through_link = EmbeddedServer(folder / "link" / "pgdata")
    assert through_link.socket_dir == server.socket_dir
    assert through_link.is_running()


def test_copied_checkout_leaves_the_original_alone(make_server: MakeServer, folder: Path) -> None:
    (folder / "original").mkdir()
    original = make_server(folder / "original" / "pgdata")
    original.start()
    copy(folder / "original", folder / "copy")
    pid = postmaster_pid(original)
    copied = make_server(folder / "copy" / "pgdata", new=True)
    assert postmaster_pid(copied) == pid
    assert not copied.is_running()
    copied.stop()
    assert original.is_running()
    copied.start()
    assert postmaster_pid(copied) != pid
    assert postmaster_pid(original) == pid
    assert ask(original, "select 1") == ask(copied, "select 1") == 1


def test_survives_a_killed_postmaster(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    conn = psycopg.connect(server.dsn("postgres"), autocommit=True)
    conn.execute("create table kept as select 1 as x")
    # a backend in the middle of something outlives its postmaster
    conn.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000000)")
    killed = kill_postmaster(server)
    assert (server.data_dir / "postmaster.pid").exists()
    assert server.socket_dir.joinpath(".s.PGSQL.5432.lock").exists()
    assert not server.is_running()
    server.start()
    assert postmaster_pid(server) != killed
    assert ask(server, "select x from kept") == 1
    conn.close()


def test_survives_a_reused_pid(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    killed = kill_postmaster(server)
    # a process that is alive, runs as the same user, and is not a PostgreSQL
    owner = server.data_dir.stat()
    as_owner = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "1000"], cwd="/", **as_owner) as other:
        try:
            for path in (server.data_dir / "postmaster.pid", server.socket_dir / ".s.PGSQL.5432.lock"):
                path.write_text(path.read_text().replace(str(killed), str(other.pid), 1))
            assert not server.is_running()
            server.stop()
            assert other.poll() is None
            server.start()
            assert ask(server, "select 1") == 1
            assert other.poll() is None
        finally:
            other.kill()


@pytest.mark.parametrize("content", ["", "\n", "rubbish\n"])
def test_survives_a_broken_pid_file(make_server: MakeServer, folder: Path, content: str) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    kill_postmaster(server)
    (server.data_dir / "postmaster.pid").write_text(content)
    server.start()
    assert ask(server, "select 1") == 1


def test_survives_a_folder_deleted_under_it(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    orphan = psutil.Process(postmaster_pid(server))
    shutil.rmtree(server.data_dir)
    assert not server.is_running()
    server.start()
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert ask(server, "select 1") == 1


def test_stop_ends_the_server_of_a_deleted_folder(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    orphan = psutil.Process(postmaster_pid(server))
    shutil.rmtree(server.data_dir)
    server.stop()
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert not server.socket_dir.exists()


def test_comes_back_when_its_socket_is_swept_away(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    shutil.rmtree(server.socket_dir)
    server.start()
    assert ask(server, "select 1") == 1


def test_unfinished_data_folder_is_made_anew(make_server: MakeServer, folder: Path) -> None:
    unfinished = folder / "pgdata.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    server = make_server(folder / "pgdata", new=True)
    server.start()
    assert not unfinished.exists()
    assert ask(server, "select 1") == 1


@pytest.mark.parametrize(("version", "says"), [("16", "version: 16"), (None, "version: ?")])
def test_refuses_a_foreign_data_folder(
    make_server: MakeServer, folder: Path, version: str | None, says: str
) -> None:
    (folder / "pgdata").mkdir()
    if version:
        (folder / "pgdata" / "PG_VERSION").write_text(version)
    with pytest.raises(ServerError, match=says.replace("?", r"\?")):
        make_server(folder / "pgdata", new=True).start()


def test_concurrent_starts_make_one_server(folder: Path, make_server: MakeServer) -> None:
    code = (
        "import sys; from pathlib import Path; from timeback_analytics.server import EmbeddedServer;"
        "server = EmbeddedServer(Path(sys.argv[1])); server.start(); server.ensure_database('one');"
        "print((server.data_dir / 'postmaster.pid').read_text().splitlines()[0])"
    )
    source = Path(__file__).resolve().parents[1] / "src"
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, folder / "pgdata"],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(source)},
        )
        for _ in range(4)
    ]  # fmt: skip
    server = make_server(folder / "pgdata", new=True)
    pids = {start.communicate()[0].strip() for start in starts}
    assert [start.returncode for start in starts] == [0] * 4
    assert pids == {str(postmaster_pid(server))}


def test_failed_start_shows_the_log(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.settings["shared_buffers"] = "much"
    with pytest.raises(ServerError, match="shared_buffers") as caught:
        server.start()
    assert "server.log" in str(caught.value)
    server.settings["shared_buffers"] = "16MB"
    server.start()
    assert server.is_running()


def test_alter_system_overrides_our_settings(make_server: MakeServer, folder: Path) -> None:
    server = make_server(folder / "pgdata")
    server.start()
    ask(server, "select 1")
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute("alter system set work_mem = '99MB'")
    server.stop()
    server.start()
    assert ask(server, "show work_mem") == "99MB"


def test_variables_of_libpq_do_not_reach_the_server(
    make_server: MakeServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    server = make_server(folder / "pgdata")
    server.start()
    assert ask(server, "show port") == "5432"
