"""A front and two data nodes of Debian's PostgreSQL, for the tests of stored facts on other servers.

The embedded server has no postgres_fdw. The nodes ask for a password, as anybody's would: PostgreSQL lets
nobody but a superuser use a mapping to a server that asks for none.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from older_server import Program, find_program

PASSWORD = "not secret 'at' all"
DEPLOYER = "deployer"
"""Whoever deploys the catalog on the front."""
LOADER = "facts"
"""The role of the mapping on each node."""
NODES = ("node1", "node2")


@dataclass(frozen=True)
class ShardServer:
    """A running server."""

    home: Path
    program: Program

    def dsn(self, database: str, user: str = "postgres") -> str:
        """The connection string of a database, as a role."""
        return psycopg.conninfo.make_conninfo(
            host=str(self.home), user=user, dbname=database, password=PASSWORD
        )

    def start(self) -> None:
        """Start it, careless about a crash."""
        settings = f"-c listen_addresses= -c unix_socket_directories={self.home} -c fsync=off"
        self.program.run(
            "pg_ctl", "-D", self.home / "data", "-w", "-l", self.home / "log", "-o", settings, "start"
        )

    def stop(self) -> None:
        """Stop it at once; whoever is connected is thrown out."""
        self.program.run("pg_ctl", "-D", self.home / "data", "-w", "-m", "immediate", "stop")

    def process(self) -> int:
        """The id of its main process."""
        return int((self.home / "data" / "postmaster.pid").read_text().split()[0])


@pytest.fixture(scope="module")
def shard_servers(short_tmp: Path) -> Iterator[dict[str, ShardServer]]:
    """{front, node1, node2: a running server}, each with an empty database `catalog`."""
    program = find_program()
    if not program.has_extension("postgres_fdw"):
        pytest.skip(f"{program.folder} has no postgres_fdw")
    place = short_tmp / "shards"
    program.own_folder(place)
    (place / "password").write_text(PASSWORD)
    program.run(
        *("initdb", "-D", place / "data", "-U", "postgres", "--auth=scram-sha-256", "--no-sync"),
        *("-E", "utf8", "--locale=C.UTF-8", f"--pwfile={place / 'password'}"),
    )
    servers = {}
    try:
        for name in ("front", *NODES):
            home = place / name
            program.own_folder(home)
            program.copy(place / "data", home / "data")
            if name == "front":
                (home / "data" / "pg_hba.conf").write_text("local all all trust\n")
            servers[name] = ShardServer(home, program)
            servers[name].start()
            with psycopg.connect(servers[name].dsn("postgres"), autocommit=True) as connection:
                # the one that deploys is no superuser, and makes readers' roles
                connection.execute(
                    sql.SQL("create role {} login createrole password {}").format(
                        sql.Identifier(DEPLOYER), sql.Literal(PASSWORD)
                    )
                    if name == "front"
                    else sql.SQL("create role {} login password {}").format(
                        sql.Identifier(LOADER), sql.Literal(PASSWORD)
                    )
                )
                connection.execute("create database catalog")
                connection.execute(
                    f"grant connect, create on database catalog to {DEPLOYER if name == 'front' else LOADER}"
                )
        yield servers
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(place, ignore_errors=True)
