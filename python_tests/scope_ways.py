"""Which of its two ways the scope takes for an unbound caller, decided by a test and not by what it costs."""

import psycopg
from psycopg import sql

from timeback_analytics.catalog.scopes import scopes


def answer_as(conn: psycopg.Connection, *, for_many: bool, schema: str = "analytics") -> None:
    """Have every list of organizations answered by the way for many people, or by the one for few.

    Puts other functions in the place of those that decide it, in the connection's database, for good.
    """
    for scope in scopes().values():
        for people in scope.people:
            conn.execute(
                sql.SQL(
                    "create or replace function {}(asked {}[], share numeric) returns boolean "
                    "language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp "
                    "as 'begin return {}; end'"
                ).format(
                    sql.Identifier(f"{schema}_internal", f"{people}_scope_is_wide"),
                    sql.SQL(scope.org_type),
                    sql.SQL(str(for_many)),
                )
            )
