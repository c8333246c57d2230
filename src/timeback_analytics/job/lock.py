"""One job at a time on a catalog, whatever host it runs on: a lock on a table of the internal schema.

Nobody can take it who has no rights on that table, unlike an advisory lock, whose key anybody may use. It is
held by a transaction that does nothing else, so that a killed job's is gone with its connection. Between its
statements such a transaction holds no snapshot, and keeps no dead row from being vacuumed.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable

import psycopg
from psycopg import sql

from timeback_analytics.connection import settle_session
from timeback_analytics.errors import TimebackError

LOCK_TABLE = "job_lock"
"""The table in the internal schema; it has no columns."""
APPLICATION = "timeback job"
"""What the application name of a job's session begins with."""

HEARTBEAT_SECONDS = 5.0
PATIENCE_SECONDS = 3.0
"""How long the lock is waited for: a busy server may notice a moment late that a job was killed."""

# what no second attempt mends: PostgreSQL gives connection errors no code that libpq passes on
_FINAL = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry"
    r"|role \"[^\"]*\" does not exist|database \"[^\"]*\" does not exist"
    r"|is not permitted to log in|permission denied for database"
)
_TRANSIENT = re.compile(
    r"server closed the connection|terminating connection|connection to server .* failed|could not connect"
    r"|connection (already |is )?(closed|lost|timed out|refused|reset)|connection not open"
    r"|no connection to the server|SSL (connection|SYSCALL)"
    r"|the database system is (starting up|shutting down|in recovery|not yet accepting)"
    r"|too many clients|remaining connection slots|could not receive data from server"
    r"|could not translate host name|could not send data",
    re.IGNORECASE,
)


_ENDED_BY = {
    "statement_timeout": "due to statement timeout",
    "lock_timeout": "due to lock timeout",
    "idle_session_timeout": "due to idle-session timeout",
    "idle_in_transaction_session_timeout": "due to idle-in-transaction timeout",
    "transaction_timeout": "due to transaction timeout",
}
"""Settings that end what a session does, and what PostgreSQL then says."""

# trusted are superusers, and the roles that the session's own belongs to (macro is_untrusted)
_OWNERS_NOT_TRUSTED = """
select owned.object, owner.rolname
from (
    select 'schema ' || nspname as object, nspowner as owner from pg_namespace where oid = to_regnamespace(%s)
    union all
    select 'table ' || relname, relowner from pg_class where oid = to_regclass(%s)
) as owned
inner join pg_roles as owner on owned.owner = owner.oid
inner join pg_roles as me on me.rolname = current_user
where owner.oid <> me.oid and not owner.rolsuper and (me.rolsuper or not pg_has_role(owner.oid, 'usage'))
"""


class AnotherJobError(TimebackError):
    """The lock is somebody else's; the text says whose."""


class NoConnectionError(TimebackError):
    """The database cannot be reached.

    Args:
        message: for a user.
        is_final: whether trying again is of no use, as with a wrong password.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class StrangerError(NoConnectionError):
    """The lock is held, or can be, by somebody who runs no job; the text says by whom. It is final."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_final=True)


def is_connection_trouble(message: str) -> bool:
    """Whether an error's text is one of a connection that failed or broke, and may work the next time."""
    return bool(_TRANSIENT.search(message)) and not _FINAL.search(message)


class JobLock:
    """The session that holds the lock, and a thread that looks after it.

    Args:
        dsn: gives libpq's connection string; may start a server, and may raise TimebackError.
        schema: the published schema.
        on_loss: called once, in the thread, when the session or its lock is gone.
        is_of_anybody: whether the table may belong to a role that this one is no member of, as where an
            administrator migrates under somebody else's catalog.
    """

    def __init__(
        self,
        dsn: Callable[[], str],
        schema: str,
        on_loss: Callable[[], None],
        *,
        is_of_anybody: bool = False,
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._on_loss = on_loss
        self._is_of_anybody = is_of_anybody
        self._table = sql.Identifier(f"{schema}_internal", LOCK_TABLE)
        self._conn: psycopg.Connection | None = None
        self._timeouts: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_lost = False

    @property
    def is_held(self) -> bool:
        """Whether it is held, to the best of this process's knowledge."""
        return self._conn is not None and not self.is_lost

    def acquire(self) -> psycopg.Connection:
        """Connect and take the lock; gives the session that holds it.

        Raises:
            NoConnectionError: no connection can be made, now or at all.
            AnotherJobError: another job has the lock.
            StrangerError: somebody else has it, or owns what it is taken on.
        """
        self.release()
        try:
            conn = psycopg.connect(
                self._dsn(),
                autocommit=True,
                connect_timeout=20,
                keepalives_idle=30,
                application_name=f"{APPLICATION} {socket.gethostname()[:30]}:{os.getpid()}",
            )
            settle_session(conn)
        except psycopg.OperationalError as error:
            text = _told(error)
            raise NoConnectionError(
                f"The database cannot be reached: {text}", is_final=bool(_FINAL.search(text))
            ) from error
        try:
            self._timeouts = _take_off_timeouts(conn)
            self._make_table(conn)
            if not self._take(conn):
                raise self._held_by_another(conn)
            if not self._has_lock(conn):
                raise TimebackError(
                    "The database forgets the lock that keeps a second job out, as a connection pooler in "
                    "statement mode does. Let the job connect to the server itself, or to a pool in "
                    "session mode."
                )
        except psycopg.OperationalError as error:
            conn.close()
            raise NoConnectionError(f"The database was lost: {_told(error)}") from error
        except BaseException:
            conn.close()
            raise
        self._conn = conn
        self.is_lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(conn, self._stop), daemon=True)
        self._thread.start()
        return conn

    def release(self) -> None:
        """Let the lock go, with its session."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._conn is not None:
            if not self.is_lost:
                # the session's end gives it back too, but only once the server has noticed
                with contextlib.suppress(psycopg.Error):
                    self._conn.execute("rollback")
            self._conn.close()
            self._conn = None

    def check(self) -> None:
        """Ask the database whether the lock is still there.

        Raises:
            NoConnectionError: it is not, or nobody can be asked.
        """
        if self._conn is None or self.is_lost or not self._has_lock(self._conn):
            raise NoConnectionError("The session that keeps other jobs out was lost.")

    def whose_timeout(self, message: str) -> str:
        """Who set the timeout that an error speaks of, and how to change it; empty where there is none."""
        return next((said for name, said in self._timeouts.items() if _ENDED_BY[name] in message), "")

    def _make_table(self, conn: psycopg.Connection) -> None:
        """Make the table, and its schema, where it is missing; refuse one that a stranger owns."""
        schema = sql.Identifier(f"{self._schema}_internal")
        try:
            # a run of dbt's, or another job, may be making the same
            with contextlib.suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateObject):
                if not self._exists(conn, "to_regnamespace", schema):
                    conn.execute(sql.SQL("create schema if not exists {}").format(schema))
                if not self._exists(conn, "to_regclass", self._table):
                    conn.execute(sql.SQL("create table if not exists {} ()").format(self._table))
        except psycopg.errors.InsufficientPrivilege as error:
            raise TimebackError(
                f"{conn.info.user} may not make {self._table.as_string(conn)}, which keeps a second job out: "
                f"{error.diag.message_primary}. Let the job connect as the role that deploys; "
                "docs/security.md has the rights that it needs."
            ) from error
        if self._is_of_anybody:
            return
        owners = conn.execute(
            _OWNERS_NOT_TRUSTED, [schema.as_string(conn), self._table.as_string(conn)]
        ).fetchall()
        if owners:
            raise StrangerError(
                "; ".join(f"{what} is owned by {owner}" for what, owner in owners)
                + f", and not by {conn.info.user}. Whoever owns what the job locks can keep it from running. "
                "Have an administrator look at it, and drop it or give it over."
            )

    def _exists(self, conn: psycopg.Connection, function: str, name: sql.Identifier) -> bool:
        found = conn.execute(f"select {function}(%s) is not null", [name.as_string(conn)]).fetchone()
        return bool(found and found[0])

    def _take(self, conn: psycopg.Connection) -> bool:
        """Begin the transaction that holds the lock; gives whether the lock was free."""
        conn.execute("begin")
        try:
            conn.execute("select set_config('lock_timeout', %s, true)", [f"{PATIENCE_SECONDS * 1000:.0f}ms"])
            conn.execute(sql.SQL("lock table {} in exclusive mode").format(self._table))
        except psycopg.errors.LockNotAvailable:
            conn.execute("rollback")
            return False
        except psycopg.errors.InsufficientPrivilege as error:
            raise TimebackError(
                f"{conn.info.user} may not lock {self._table.as_string(conn)}, which keeps a second job out. "
                "Let the job connect as the role that deploys, which owns it."
            ) from error
        return True

    def _has_lock(self, conn: psycopg.Connection) -> bool:
        try:
            found = conn.execute(
                """select exists (
                    select from pg_locks
                    where
                        locktype = 'relation' and granted and pid = pg_backend_pid()
                        and mode = 'ExclusiveLock' and relation = %s::regclass
                )""",
                [self._table.as_string(conn)],
            ).fetchone()
        except psycopg.Error:
            return False
        return found == (True,)

    def _held_by_another(self, conn: psycopg.Connection) -> TimebackError:
        """An error that says who has the lock, with what this role may see."""
        found = conn.execute(
            """select
                pg_locks.pid, usename, application_name,
                to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
            from pg_locks left join pg_stat_activity on pg_locks.pid = pg_stat_activity.pid
            where
                locktype = 'relation' and granted and mode <> 'AccessShareLock'
                and relation = %s::regclass
                and pg_locks.database = (select oid from pg_database where datname = current_database())
            order by pg_locks.pid""",
            [self._table.as_string(conn)],
        ).fetchone()
        where = f"schema {self._schema} of database {conn.info.dbname}"
        if found is None:
            return AnotherJobError(f"Another job runs on {where}.")
        pid, role, application, since = found
        since = f", since {since} UTC" if since else ""
        # of another role's session only an administrator sees the name; nobody but roles with rights on the
        # table got here
        if application is not None and not application.startswith(APPLICATION):
            return StrangerError(
                f"{self._table.as_string(conn)} is locked by {role}{since} (server process {pid}), which is "
                f"no job: it calls itself {application or 'nothing'}. No job can run on "
                f"{where} until that ends: "
                f"select pg_terminate_backend({pid});"
            )
        who = (application or "").removeprefix(APPLICATION).strip() or "unknown"
        return AnotherJobError(f"Another job runs on {where}: {who} as {role}{since} (server process {pid}).")

    def _watch(self, conn: psycopg.Connection, stop: threading.Event) -> None:
        """Also keeps the session from being idle for so long that somebody closes it."""
        while not stop.wait(HEARTBEAT_SECONDS):
            if not self._has_lock(conn) and not stop.is_set():
                self.is_lost = True
                self._on_loss()
                return


def _take_off_timeouts(conn: psycopg.Connection) -> dict[str, str]:
    """Let nothing that is set for a role, a database or the server end this session.

    Returns:
        {setting: who set it to what, and how that is changed}, for those that were set.
    """
    found = conn.execute(
        "select name, current_setting(name), source from pg_settings where name = any(%s) and setting <> '0'",
        [list(_ENDED_BY)],
    ).fetchall()
    role, database = (sql.Identifier(name).as_string(conn) for name in (conn.info.user, conn.info.dbname))
    said = {}
    for name, value, source in found:
        conn.execute("select set_config(%s, '0', false)", [name])
        whose, change = {
            "user": (f"role {role}", f"alter role {role} set {name} = 0;"),
            "database user": (
                f"role {role} in database {database}",
                f"alter role {role} in database {database} set {name} = 0;",
            ),
            "database": (f"database {database}", f"alter role {role} set {name} = 0;"),
            "global": ("every role", f"alter role {role} set {name} = 0;"),
            "client": ("this connection", f"PGOPTIONS without {name}"),
        }.get(source, ("the server", f"alter role {role} set {name} = 0;"))
        said[name] = f"{name} of {whose} is {value}. To let the job take longer: {change}"
    return said


def _told(error: psycopg.Error) -> str:
    """What went wrong, in a line, without what psycopg and libpq wrap it in."""
    text = " ".join(str(error).split())
    return text.removeprefix("connection is bad: ").partition(" Is the server running ")[0]
