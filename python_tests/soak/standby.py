"""A hot standby of the soak's server, from which readers read while the primary is deployed to."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from attacks.world import ask_for
from server_kit import give_to_owner_of, let_replicate
from timeback_analytics.server import EmbeddedServer

PATIENCE = 120.0
"""Seconds that the standby may take to catch up with a primary that is at rest."""


class Standby:
    """An exact copy of a server that follows it.

    Args:
        primary: a running server.
        home: the folder of the copy's data folder.
    """

    def __init__(self, primary: EmbeddedServer, home: Path) -> None:
        self.primary = primary
        # a replaced view ends who reads it sooner than with PostgreSQL's 30 seconds: more of it is seen
        settings = {**primary.settings, "max_standby_streaming_delay": "500ms", "hot_standby_feedback": "on"}
        self.server = EmbeddedServer(home / "standby", settings)

    def dsn(self, database: str) -> str:
        """libpq's connection string for a database of it."""
        return self.server.dsn(database)

    def start(self) -> None:
        """Copy the primary and follow it.

        Raises:
            CalledProcessError: pg_basebackup fails.
            ServerError: the copy does not start.
        """
        folder = self.server.data_dir
        let_replicate(self.primary)
        copy = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", f"--pgdata={folder}"]
        host = [f"--host={self.primary.socket_dir}", "--username=postgres"]
        subprocess.run([self.primary.bin_dir / "pg_basebackup", *host, *copy], check=True)
        give_to_owner_of(self.primary, folder)
        self.server.start()

    def stop(self) -> None:
        """Stop the copy."""
        self.server.stop()

    def differences(self, database: str, relations: Sequence[str], scopes: Sequence[str]) -> list[str]:
        """What it shows otherwise than its primary, which must be at rest, once it has replayed everything.

        Args:
            database: the database with the catalog.
            relations: views, as they stand in SQL.
            scopes: values of app.allowed_org_ids.

        Returns:
            A sentence for each relation and scope, or that it does not catch up.
        """
        with (
            psycopg.connect(self.primary.dsn(database), autocommit=True) as there,
            psycopg.connect(self.dsn(database), autocommit=True) as here,
        ):
            (written,) = there.execute("select pg_current_wal_lsn()::text").fetchone()
            until = time.monotonic() + PATIENCE
            replayed = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
            while not here.execute(replayed, [written]).fetchone()[0]:
                if time.monotonic() > until:
                    return [f"the standby has not replayed {written} within {PATIENCE:.0f} s"]
                time.sleep(0.1)
            found = []
            for scope in scopes:
                ask_for(there, scope)
                ask_for(here, scope)
                for relation in relations:
                    rows = f"select count(*), sum(hashtextextended(one::text, 0)) from {relation} as one"
                    if there.execute(rows).fetchone() != here.execute(rows).fetchone():
                        found.append(f"{relation} under {scope!r} is another one on the standby")
            return found
