"""Connections to the database that a dbt target names."""

import os
from collections.abc import Mapping

import psycopg

from timeback_analytics.errors import TimebackError
from timeback_analytics.server import DATABASE, SUPERUSER, project_server

TARGETS = ("embedded", "server")
SEARCH_PATH = "pg_catalog, pg_temp"
"""Of every session of ours: PostgreSQL's own functions and operators, and nobody else's of the same name."""
SESSION_SETTINGS = (
    ("search_path", SEARCH_PATH),
    # where PostgreSQL has LLVM it compiles expensive plans, for which it takes a second or two with our views
    ("jit", "off"),
    # PostgreSQL's default: under `serializable`, the sessions of one deploy cancel one another
    ("default_transaction_isolation", "read committed"),
    # what a string with a backslash is, and how names are shown: our queries go by PostgreSQL's defaults
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
)
"""What is set in every session of ours, dbt's among them, whatever the role or the database says."""
PSYCOPG_SETTINGS = (
    # the only forms in which psycopg reads times
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    # of a database in SQL_ASCII, psycopg would give every text as bytes
    ("client_encoding", "UTF8"),
)
"""What is set in the sessions of ours that are not dbt's as well."""


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

    The session is settled, see settle_session.

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
    settle_session(conn)
    return conn


def settle_session(conn: psycopg.Connection) -> None:
    """Set SESSION_SETTINGS and PSYCOPG_SETTINGS in a new session.

    Not in the connection string, where PGOPTIONS would be lost and PgBouncer would refuse it.
    """
    apply_settings(conn, dict((*SESSION_SETTINGS, *PSYCOPG_SETTINGS)))
    if not conn.autocommit:
        # a later rollback would take it back
        conn.commit()


def apply_settings(conn: psycopg.Connection, settings: Mapping[str, str], *, is_local: bool = False) -> None:
    """Set these in one statement, for the session or, if is_local, for its transaction."""
    calls = ", ".join([f"pg_catalog.set_config(%s, %s, {is_local})"] * len(settings))
    conn.execute(f"select {calls}", [text for setting in settings.items() for text in setting])


def _check(target: str) -> None:
    if target not in TARGETS:
        raise TimebackError(f"There is no target {target}; the targets are {' and '.join(TARGETS)}.")
