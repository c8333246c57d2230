"""An older PostgreSQL than the embedded one, for the tests that ask it too.

It is Debian's (PostgreSQL 15; any of 14 to 17 will do).
TIMEBACK_OLDER_POSTGRES names the folder of another one's programs (initdb, pg_ctl, postgres).
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from timeback_analytics.server import EmbeddedServer

VERSIONS = ("15", "14", "16", "17")
BINARIES = [Path(f"/usr/lib/postgresql/{version}/bin") for version in VERSIONS]


@dataclass(frozen=True)
class OlderServer:
    """A running server: the folder of its socket, and its superuser."""

    socket_dir: Path
    user: str = "postgres"

    def dsn(self, database: str, user: str = "") -> str:
        """The connection string of a database, as a role; as the superuser by default."""
        return psycopg.conninfo.make_conninfo(
            host=str(self.socket_dir), user=user or self.user, dbname=database
        )


@pytest.fixture(scope="session")
def older_server(short_tmp: Path) -> Iterator[OlderServer]:
    """Debian's server in a temporary folder, run by its own user where we are root. Stopped at the end."""
    named = os.environ.get("TIMEBACK_OLDER_POSTGRES")
    places = [Path(named)] if named else BINARIES
    bin_dir = next((path for path in places if (path / "initdb").exists()), None)
    if bin_dir is None:
        if named:
            pytest.fail(f"TIMEBACK_OLDER_POSTGRES: there is no initdb in {named}")
        pytest.skip("no PostgreSQL 14 to 17 of Debian's is installed (apt-get install postgresql-15)")
    home = short_tmp / "older"
    home.mkdir()
    run_as: dict[str, int] = {}
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(home, entry.pw_uid, entry.pw_gid)
        run_as = {"user": entry.pw_uid, "group": entry.pw_gid}

    def run(*arguments: str | Path) -> None:
        with (home.parent / "older.log").open("a") as log:
            subprocess.run(
                arguments, check=True, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL, **run_as
            )

    run(
        bin_dir / "initdb",
        "-D",
        home / "data",
        "-U",
        "postgres",
        "--auth=trust",
        "-E",
        "utf8",
        "--locale=C.UTF-8",
    )
    settings = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
    control = (bin_dir / "pg_ctl", "-D", home / "data", "-w", "-l", home / "log", "-o", settings)
    run(*control, "start")
    try:
        yield OlderServer(home)
    finally:
        run(bin_dir / "pg_ctl", "-D", home / "data", "-w", "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=["embedded", "older"])
def either_server(request: pytest.FixtureRequest) -> EmbeddedServer | OlderServer:
    """The embedded server, and then the older one: a test with it runs on both."""
    return request.getfixturevalue(f"{request.param}_server")
