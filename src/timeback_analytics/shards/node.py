"""A data node: a PostgreSQL server that holds partitions, reached as the owner's user mapping says."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from timeback_analytics.connection import settle_session
from timeback_analytics.errors import TimebackError

MARKS = "refresh_mark"
"""The table on a node with the mark of the last refresh that wrote to it."""


def node_schema(schema: str) -> str:
    """The schema on a node that holds the partitions of a catalog."""
    return f"{schema}_shards"


@dataclass(frozen=True)
class Node:
    """A server as postgres_fdw knows it.

    Attributes:
        name: the foreign server's.
        options: libpq's, of the server and of the owner's mapping.
    """

    name: str
    options: dict[str, str] = field(repr=False)

    @property
    def is_on_network(self) -> bool:
        """Whether it is reached over a network, and not through a socket or within this machine."""
        host = self.options.get("host", "")
        return not (host.startswith(("/", "@")) or host in ("localhost", "127.0.0.1", "::1"))

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """Connect to it; the session's search_path is Postgres's own.

        Raises:
            TimebackError: it cannot be reached, or refuses.
        """
        try:
            conn = psycopg.connect(
                psycopg.conninfo.make_conninfo(**self.options),
                autocommit=autocommit,
                connect_timeout=10,
                application_name="timeback shards",
            )
        except psycopg.OperationalError as error:
            text = " ".join(str(error).split())
            raise TimebackError(f"Server {self.name} cannot be reached: {text}") from error
        settle_session(conn)
        return conn
