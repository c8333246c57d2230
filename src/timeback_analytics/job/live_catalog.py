"""The deployed catalog as a job asks it, in sessions that only read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg import sql

from timeback_analytics.catalog.names import SCOPE_SETTING, UNRESTRICTED, internal_schema
from timeback_analytics.connection import connection_string, settle_session
from timeback_analytics.queries import first_row


class LiveCatalog:
    """A catalog in a database.

    Args:
        target: dbt's target, which says where it is.
        schema: the published schema.
    """

    def __init__(self, target: str, schema: str) -> None:
        self._target = target
        self._schema = schema
        self._internal = internal_schema(schema)

    @contextlib.contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """A session that reads.

        Raises:
            psycopg.OperationalError: there is no connection.
        """
        with psycopg.connect(
            connection_string(self._target),
            autocommit=True,
            connect_timeout=20,
            application_name="timeback job",
        ) as conn:
            settle_session(conn)
            conn.execute("set idle_session_timeout = 0")
            conn.execute("set default_transaction_read_only = on")
            yield conn

    def may_see_everyone(self) -> bool:
        """Whether the deploying role may ask for every organization; the scope itself is asked."""
        scope = sql.Identifier(self._internal, "int_caller_scope")
        with self.session() as conn:
            conn.execute("select set_config(%s, '*', false)", [SCOPE_SETTING])
            try:
                found = conn.execute(sql.SQL("select is_everyone from {}").format(scope)).fetchone()
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable):
                found = None
        return bool(found and found[0])

    def why_not_everyone(self, what: str, role: str) -> str:
        """Why the deploying role is not asked for something, and what would change that.

        Args:
            what: the plural that begins the sentence.
            role: the deploying role's name.
        """
        with self.session() as conn:
            (exists,) = first_row(conn.execute("select to_regrole(%s) is not null", [UNRESTRICTED]))
        create = "" if exists else f"create role {UNRESTRICTED} nologin; "
        return (
            f"{what} need a role that may ask for every organization, and {role} may not. "
            f"To have them: {create}grant {UNRESTRICTED} to {quoted(role)};"
        )

    def has_datasets(self) -> bool:
        """Whether anything is deployed: a view in the published schema."""
        with self.session() as conn:
            found = conn.execute(
                "select exists (select from pg_catalog.pg_views where schemaname = %s)", [self._schema]
            )
            return bool(first_row(found)[0])

    def has_no_people(self) -> bool:
        """Whether the operational tables hold no person, so that no scoped dataset could show any."""
        users = sql.Identifier(self._internal, "stg_one_roster_user")
        with self.session() as conn:
            found = conn.execute(sql.SQL("select not exists (select from {})").format(users)).fetchone()
        return bool(found and found[0])


def quoted(name: str) -> str:
    """A name as SQL writes it, in quotes."""
    return sql.Identifier(name).as_string(None)
