"""Connections to the database that a dbt target names."""

import os

import psycopg

from timeback_analytics.errors import TimebackError
from timeback_analytics.server import DATABASE, SUPERUSER, project_server

TARGETS = ("embedded", "server")
SEARCH_PATH = "pg_catalog, pg_temp"
"""Of every session of ours: PostgreSQL's own functions and operators, and nobody else's of the same name."""


def operational_schema(target: str) -> str:
    """The schema of the operational tables, where nobody says otherwise.

    Raises:
        TimebackError: the target is unknown.
    """
    _check(target)
    return "operational" if target == "embedded" else "public"


def connection_string(target: str, *, dbname: str | None = None, user: str | None = None) -> str:
    """What libpq needs to reach the target, as dbt's profile of the same name does.

    embedded: the server of this checkout, which is started when it does not run, with its database;
    or the one that TIMEBACK_EMBEDDED_HOST and TIMEBACK_EMBEDDED_DATABASE name, which is nobody's to
    start. server: libpq's own environment variables.

    Args:
        target: embedded or server.
        dbname: another database than the target's; it must exist.
        user: another role than the target's.

    Raises:
        TimebackError: the target is unknown, or the embedded server does not start.
    """
    _check(target)
    if target == "server":
        return psycopg.conninfo.make_conninfo(
            host=os.environ.get("PGHOST", "localhost"),
            user=user or os.environ.get("PGUSER", "postgres"),
            dbname=dbname or os.environ.get("PGDATABASE", "postgres"),
        )
    default_dbname = os.environ.get("TIMEBACK_EMBEDDED_DATABASE", DATABASE)
    host = os.environ.get("TIMEBACK_EMBEDDED_HOST")
    if host:
        return psycopg.conninfo.make_conninfo(
            host=host, port=5432, user=user or SUPERUSER, dbname=dbname or default_dbname
        )
    server = project_server()
    server.start()
    server.ensure_database(default_dbname)
    return server.dsn(dbname or default_dbname, user or SUPERUSER)


def connect(target: str, *, autocommit: bool = False) -> psycopg.Connection:
    """Connect to the target's database; see connection_string for what that is.

    The session's search_path is SEARCH_PATH.

    Raises:
        TimebackError: the target is unknown, or its server cannot be reached or refuses.
    """
    try:
        conn = psycopg.connect(connection_string(target), autocommit=autocommit, application_name="timeback")
    except psycopg.OperationalError as error:
        hint = (
            "It is named by PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE."
            if target == "server"
            else "`timeback server status` says what runs."
        )
        raise TimebackError(f"The database of target {target} cannot be reached: {error}\n{hint}") from error
    pin_search_path(conn)
    return conn


def pin_search_path(conn: psycopg.Connection) -> None:
    """Set a new session's search_path to SEARCH_PATH, whatever its role or its database says.

    Not in the connection string, where PGOPTIONS would be lost and PgBouncer would refuse it.
    """
    conn.execute(f"set search_path = {SEARCH_PATH}")
    if not conn.autocommit:
        # a later rollback would take it back
        conn.commit()


def _check(target: str) -> None:
    if target not in TARGETS:
        raise TimebackError(f"There is no target {target}; the targets are {' and '.join(TARGETS)}.")
