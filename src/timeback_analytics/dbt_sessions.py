"""The sessions that dbt opens: by what path they resolve names, and what may end them."""

from functools import wraps
from typing import Any

from dbt.adapters.contracts.connection import Connection
from dbt.adapters.postgres.connections import PostgresConnectionManager

from timeback_analytics.connection import SESSION_SETTINGS

SETTINGS = (
    *SESSION_SETTINGS,
    ("idle_session_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
)


def settle_sessions_of_dbt() -> None:
    """From now on every connection of dbt's in this process has SETTINGS.

    So it finds names in pg_catalog only, whatever profiles.yml or a role says: else a function of somebody
    else's in `public`, or in a schema of the deploying role's name, could run with that role's rights. dbt
    has no place for it: a `search_path` in the profile would keep PGOPTIONS, and with it a scope, from the
    server, and PgBouncer refuses connections that bring one. Nor does a session end while it waits for the
    others, whatever timeouts the role has for idle ones.
    """
    opened: Any = vars(PostgresConnectionManager)["open"].__func__
    if hasattr(opened, "__wrapped__"):
        return

    @wraps(opened)
    def open_settled(manager: type[PostgresConnectionManager], connection: Connection) -> Connection:
        is_new = connection.state != "open"
        connection = opened(manager, connection)
        if is_new:
            _settle(connection.handle)
        return connection

    PostgresConnectionManager.open = classmethod(open_settled)  # type: ignore[assignment, method-assign]


def _settle(handle: Any) -> None:
    """A session that has a setting already, by its role, is left alone: a pooler may lend it to others."""
    if handle.encoding != "UTF8":
        handle.set_client_encoding("UTF8")
    with handle.cursor() as cursor:
        found = ", ".join(f"pg_catalog.current_setting('{name}')" for name, _ in SETTINGS)
        cursor.execute(f"select {found}")
        for (name, wanted), setting in zip(SETTINGS, cursor.fetchone(), strict=True):
            if setting != wanted:
                cursor.execute("select pg_catalog.set_config(%s, %s, false)", [name, wanted])
    # so that no rollback of dbt's takes it back
    handle.commit()
