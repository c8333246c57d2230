"""A front and two data nodes of Debian's PostgreSQL, and the catalog with its stored facts on them.

The embedded server has no postgres_fdw. The nodes ask for a password, as anybody's would: PostgreSQL lets
nobody but a superuser use a mapping to a server that asks for none.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from older_server import Program, find_program
from stored_mode import StoredRefreshes
from timeback_analytics.cli import main
from timeback_analytics.operational import create_operational_schema

PASSWORD = "not secret 'at' all"
DEPLOYER = "deployer"
"""Whoever deploys the catalog on the front."""
LOADER = "facts"
"""The role of the mapping on each node."""
NODES = ("node1", "node2")
DATABASE = "catalog"
LIVE = "live"
VARIABLES = (
    "{source_schema: operational, stored_facts: true, stored_servers: [node1, node2], stored_partitions: 4}"
)
ON_STORED = (
    *("attempts", "aggregated_session_attempts", "sessions", "students_xp"),
    *("sessions_waste", "sessions_cheating", "sessions_proctoring"),
    *("waste_insights", "cheating_insights", "proctoring_insights"),
)
"""The datasets that stored models are under."""


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
        settings = f"-c listen_addresses= -c unix_socket_directories={self.home} -c fsync=off -c jit=off"
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
                # the one that deploys is not a superuser, and makes readers' roles
                connection.execute(
                    sql.SQL("create role {} login createrole password {}").format(
                        sql.Identifier(DEPLOYER), sql.Literal(PASSWORD)
                    )
                    if name == "front"
                    else sql.SQL("create role {} login password {}").format(
                        sql.Identifier(LOADER), sql.Literal(PASSWORD)
                    )
                )
                if name == "front":
                    # days before months, where the nodes read months before days
                    connection.execute(f"alter role {DEPLOYER} set datestyle = 'SQL, DMY'")
                connection.execute("create database catalog")
                connection.execute(
                    f"grant connect, create on database catalog to {DEPLOYER if name == 'front' else LOADER}"
                )
        yield servers
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(place, ignore_errors=True)


class Shards:
    """The catalog over partitions, and the commands that move them.

    Args:
        servers: the front and the nodes.
        refreshes: how the stored models are brought up to date.
        environment: of the commands.
    """

    def __init__(
        self, servers: dict[str, ShardServer], refreshes: StoredRefreshes, environment: dict[str, str]
    ) -> None:
        self.servers = servers
        self.refreshes = refreshes
        self.environment = environment

    def connect(self, role: str = "postgres") -> psycopg.Connection:
        """A connection to the front, in autocommit; psycopg prepares nothing by itself."""
        return psycopg.connect(
            self.servers["front"].dsn(DATABASE, role), autocommit=True, prepare_threshold=None
        )

    def connect_to(self, node: str, role: str = LOADER) -> psycopg.Connection:
        """A connection to a node, in autocommit."""
        return psycopg.connect(self.servers[node].dsn(DATABASE, role), autocommit=True)

    def run(self, *arguments: str, **environment: str) -> Result:
        """`timeback shards ...`, as the role that deploys."""
        return CliRunner().invoke(main, ["shards", *arguments], env={**self.environment, **environment})

    def move(self, *places: str, table: str = "") -> None:
        """Have partition 0, 1, ... at these places."""
        for number, place in enumerate(places):
            done = self.run("move", str(number), place, *(["--table", table] if table else []))
            assert done.exit_code == 0, done.output

    def refresh(self) -> None:
        """Bring every stored table up to date, as the role that deploys."""
        with self.connect(DEPLOYER) as conn:
            self.refreshes.refresh(conn)

    def differences(self, scopes: list[str]) -> list[str]:
        """Which datasets differ from the live ones, under which scope."""
        with self.connect() as conn:
            return self.refreshes.differences(conn, scopes, ON_STORED, LIVE)

    def add(self, node: str) -> None:
        """Have a node hold partitions, by `timeback shards add`."""
        home = str(self.servers[node].home)
        done = self.run("add", node, "--host", home, "--dbname", DATABASE, "--user", LOADER)
        assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def shards(shard_servers: dict[str, ShardServer], dbt: Callable[..., Any], short_tmp: Path) -> Shards:
    """Live views in `live`, partitioned tables under `analytics`, all of it on the front and without rows."""
    front = shard_servers["front"]
    environment = {
        "PGHOST": str(front.home),
        "PGUSER": DEPLOYER,
        "PGDATABASE": DATABASE,
        "TIMEBACK_SHARD_PASSWORD": PASSWORD,
    }
    with psycopg.connect(front.dsn(DATABASE), autocommit=True) as conn:
        conn.execute("create extension postgres_fdw")
        conn.execute(f"grant usage on foreign data wrapper postgres_fdw to {DEPLOYER}")
        conn.execute(f"create schema analytics_internal authorization {DEPLOYER}")
        create_operational_schema(conn, "operational")
        conn.execute(f"grant usage on schema operational to {DEPLOYER}")
        conn.execute(f"grant select on all tables in schema operational to {DEPLOYER}")
    select = ("--select", *(f"+{dataset}" for dataset in ON_STORED))
    live = ("--vars", "{source_schema: operational}")
    dbt(DATABASE, "run", "--target", "server", *select, *live, env={**environment, "TIMEBACK_SCHEMA": LIVE})
    bare = Shards(shard_servers, None, environment)
    for node in NODES:
        bare.add(node)
    stored = ("--write-json", *select, "--vars", VARIABLES)
    dbt(DATABASE, "run", "--target", "server", *stored, env=environment)
    return Shards(shard_servers, StoredRefreshes.of(short_tmp / "target", DATABASE), environment)
