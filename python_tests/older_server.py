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


@dataclass(frozen=True)
class Program:
    """An installed PostgreSQL, run by a user of its own where we are root.

    Attributes:
        folder: of its programs.
        run_as: the user, as arguments of subprocess.run.
    """

    folder: Path
    run_as: dict[str, int]

    def run(self, name: str, *arguments: str | Path) -> None:
        """Run one of its programs to its end."""
        # a server that stays would keep a pipe open
        subprocess.run(
            [self.folder / name, *arguments],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            **self.run_as,
        )

    def own_folder(self, folder: Path) -> None:
        """Make a folder that its user may write to."""
        folder.mkdir()
        if self.run_as:
            os.chown(folder, self.run_as["user"], self.run_as["group"])

    def copy(self, source: Path, goal: Path) -> None:
        """Copy a folder with whom its files belong to."""
        subprocess.run(["cp", "-a", source, goal], check=True)

    def has_extension(self, name: str) -> bool:
        """Whether an extension can be created."""
        done = subprocess.run(
            [self.folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False
        )
        return (Path(done.stdout.strip()) / "extension" / f"{name}.control").exists()


def find_program() -> Program:
    """The first PostgreSQL that is installed; skips the test where none is."""
    named = os.environ.get("TIMEBACK_OLDER_POSTGRES")
    places = [Path(named)] if named else BINARIES
    folder = next((path for path in places if (path / "initdb").exists()), None)
    if folder is None:
        if named:
            pytest.fail(f"TIMEBACK_OLDER_POSTGRES: there is no initdb in {named}")
        pytest.skip("no PostgreSQL 14 to 17 of Debian's is installed (apt-get install postgresql-15)")
    if os.geteuid() != 0:
        return Program(folder, {})
    entry = pwd.getpwnam("postgres")
    return Program(folder, {"user": entry.pw_uid, "group": entry.pw_gid})


@pytest.fixture(scope="session")
def older_server(short_tmp: Path) -> Iterator[OlderServer]:
    """Debian's server in a temporary folder, run by its own user where we are root. Stopped at the end."""
    program = find_program()
    home = short_tmp / "older"
    program.own_folder(home)
    program.run(
        *("initdb", "-D", home / "data", "-U", "postgres", "--auth=trust"),
        *("-E", "utf8", "--locale=C.UTF-8"),
    )
    # Debian compiles what it takes for an expensive plan, which takes longer than to run it here
    settings = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off -c jit=off"
    program.run("pg_ctl", "-D", home / "data", "-w", "-l", home / "log", "-o", settings, "start")
    try:
        yield OlderServer(home)
    finally:
        program.run("pg_ctl", "-D", home / "data", "-w", "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=["embedded", "older"])
def either_server(request: pytest.FixtureRequest) -> EmbeddedServer | OlderServer:
    """The embedded server, and then the older one: a test with it runs on both."""
    return request.getfixturevalue(f"{request.param}_server")
