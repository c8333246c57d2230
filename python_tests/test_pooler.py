"""Bound roles through a real connection pooler, PgBouncer, in both of its modes.

One server connection is all that the pooler may open for a login, so that clients share it one after the
other (session mode) or in turns (transaction mode).
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

import scope_rows
from timeback_analytics.server import EmbeddedServer

A, B = scope_rows.SCHOOL_A, scope_rows.SCHOOL_B
LOGINS = ("pooled_a", "pooled_b", "pooled")
"""Two that are bound to a school each, and one of no rights of its own that takes either on."""
START_SECONDS = 20


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer: its mode, the folder of its socket, and the database behind it."""

    mode: str
    socket_dir: Path
    database: str

    def connect(self, login: str) -> psycopg.Connection:
        """A client's connection, in autocommit; nothing is prepared, which PgBouncer 1.18 does not follow."""
        return psycopg.connect(
            host=str(self.socket_dir),
            port=6432,
            user=login,
            dbname=self.database,
            autocommit=True,
            prepare_threshold=None,
        )


@pytest.fixture(scope="module")
def bound_database(
    embedded_server: EmbeddedServer, people_database: str, new_database: Callable[..., str]
) -> Iterator[str]:
    """The people of scope_rows, and the logins."""
    database = new_database("pooled", template=people_database)
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        for login, school in (("pooled_a", A), ("pooled_b", B)):
            conn.execute(f"create role {login} login in role timeback_reader")
            conn.execute(f"alter role {login} in database {database} set app.allowed_org_ids = '*'")
            conn.execute("insert into analytics_internal.scope_binding values (%s, %s)", [login, school])
        conn.execute("create role pooled login noinherit in role pooled_a, pooled_b")
        conn.execute(f"alter role pooled in database {database} set app.allowed_org_ids = '*'")
    yield database
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(f"drop database {database} with (force)")
        for login in LOGINS:
            conn.execute(f"drop role {login}")


@pytest.fixture(scope="module", params=["session", "transaction"])
def pooler(
    request: pytest.FixtureRequest, embedded_server: EmbeddedServer, bound_database: str, short_tmp: Path
) -> Iterator[Pooler]:
    """PgBouncer in a mode, run by whoever runs the server. Stopped at the end."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    home = short_tmp / f"pooler-{request.param}"
    home.mkdir()
    (home / "users.txt").write_text("".join(f'"{login}" ""\n' for login in LOGINS))
    (home / "pgbouncer.ini").write_text(
        f"""[databases]
{bound_database} = host={embedded_server.socket_dir} port=5432
[pgbouncer]
listen_addr =
unix_socket_dir = {home}
listen_port = 6432
auth_type = trust
auth_file = {home}/users.txt
pool_mode = {request.param}
default_pool_size = 1
logfile = {home}/log
"""
    )
    run_as: dict[str, int] = {}
    if os.geteuid() == 0:
        owner = embedded_server.socket_dir.stat()
        run_as = {"user": owner.st_uid, "group": owner.st_gid}
        for path in (home, *home.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
    process = subprocess.Popen(
        [program, "--quiet", home / "pgbouncer.ini"], stdin=subprocess.DEVNULL, cwd="/", **run_as
    )
    pooler = Pooler(request.param, home, bound_database)
    try:
        _wait_for(pooler, process)
        yield pooler
    finally:
        process.terminate()
        process.wait()


def _wait_for(pooler: Pooler, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            pooler.connect("pooled").close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"PgBouncer does not start:\n{(pooler.socket_dir / 'log').read_text()}")
            time.sleep(0.1)


def organizations(conn: psycopg.Connection) -> set:
    """The organizations of the rows that a client is shown; empty means no row."""
    query = "select distinct unnest(org_ids) from analytics.students"
    return {org_id for (org_id,) in conn.execute(query)}


def test_a_login_of_each_school_needs_no_set(pooler):
    """The login's own default reaches the pooler's server connection."""
    with pooler.connect("pooled_a") as of_a, pooler.connect("pooled_b") as of_b:
        for _ in range(2):
            assert organizations(of_a) == {A}
            assert organizations(of_b) == {B}
        of_a.execute(f"set app.allowed_org_ids = '{A},{B}'")
        assert organizations(of_a) == {A}


def test_clients_that_take_a_role_on_share_a_connection_and_nothing_else(pooler):
    """In turns, or one after the other; the first leaves a setting that asks for both schools behind."""
    if pooler.mode == "transaction":
        with pooler.connect("pooled") as one, pooler.connect("pooled") as other:
            backends = set()
            for _ in range(3):
                for conn, role, school in ((one, "pooled_a", A), (other, "pooled_b", B)):
                    with conn.transaction():
                        conn.execute(f"set local role {role}")
                        assert organizations(conn) == {school}
                        backends.add(conn.execute("select pg_backend_pid()").fetchone()[0])
                one.execute(f"set app.allowed_org_ids = '{A},{B}'")
            assert len(backends) == 1
    else:
        backends = set()
        for role, school in (("pooled_a", A), ("pooled_b", B), ("pooled_a", A)):
            with pooler.connect("pooled") as conn:
                conn.execute(f"set role {role}")
                assert organizations(conn) == {school}
                conn.execute(f"set app.allowed_org_ids = '{A},{B}'")
                assert organizations(conn) == {school}
                backends.add(conn.execute("select pg_backend_pid()").fetchone()[0])
        assert len(backends) == 1


def test_a_client_that_takes_no_role_on_is_refused(pooler):
    """What an earlier client took on is gone with it."""
    with pooler.connect("pooled") as conn:
        with conn.transaction():
            conn.execute("set local role pooled_a")
            assert organizations(conn) == {A}
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            organizations(conn)
