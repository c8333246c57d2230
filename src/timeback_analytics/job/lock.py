"""One job at a time on a catalog, whatever host it runs on: an advisory lock in the database.

The lock belongs to a session, so that a killed job's is gone with its connection. A pooler in transaction
mode hands sessions around and cannot hold one; the job then finds its own lock missing and says so.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable

import psycopg

from timeback_analytics.errors import TimebackError

LOCK_CLASS = 0x74626A6F
"""First half of the lock's key, `tbjo` in ASCII. The second half is hashtext of the published schema."""

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


def is_connection_trouble(message: str) -> bool:
    """Whether an error's text is one of a connection that failed or broke, and may work the next time."""
    return bool(_TRANSIENT.search(message)) and not _FINAL.search(message)


class JobLock:
    """The session that holds the lock, and a thread that looks after it.

    Args:
        dsn: gives libpq's connection string; may start a server, and may raise TimebackError.
        schema: the published schema.
        on_loss: called once, in the thread, when the session or its lock is gone.
    """

    def __init__(self, dsn: Callable[[], str], schema: str, on_loss: Callable[[], None]) -> None:
        self._dsn = dsn
        self._schema = schema
        self._on_loss = on_loss
        self._conn: psycopg.Connection | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_lost = False

    @property
    def is_held(self) -> bool:
        """Whether it is held, as far as is known."""
        return self._conn is not None and not self.is_lost

    def acquire(self) -> psycopg.Connection:
        """Connect and take the lock; gives the session that holds it.

        Raises:
            NoConnectionError: there is no connection to be had, for now or for good.
            AnotherJobError: somebody else has the lock.
        """
        self.release()
        try:
            conn = psycopg.connect(
                self._dsn(),
                autocommit=True,
                connect_timeout=20,
                keepalives_idle=30,
                application_name=f"timeback job {socket.gethostname()[:30]}:{os.getpid()}",
            )
        except psycopg.OperationalError as error:
            text = _told(error)
            raise NoConnectionError(
                f"The database cannot be reached: {text}", is_final=bool(_FINAL.search(text))
            ) from error
        try:
            if not self._take(conn):
                raise AnotherJobError(
                    f"Another job runs on schema {self._schema} of database {conn.info.dbname}"
                    f"{self._holder(conn)}."
                )
            if not self._has_lock(conn):
                raise TimebackError(
                    "The database forgets the lock that keeps a second job out, as a connection pooler in "
                    "transaction mode does. Let the job connect to the server itself, or to a pool in "
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
                    self._conn.execute(
                        "select pg_advisory_unlock(%s, hashtext(%s))", [LOCK_CLASS, self._schema]
                    )
            self._conn.close()
            self._conn = None

    def check(self) -> None:
        """Ask the database whether the lock is still there.

        Raises:
            NoConnectionError: it is not, or nobody can be asked.
        """
        if self._conn is None or self.is_lost or not self._has_lock(self._conn):
            raise NoConnectionError("The session that keeps other jobs out was lost.")

    def _take(self, conn: psycopg.Connection) -> bool:
        """Take the lock, which stays when the transaction ends; gives whether it was to be had."""
        try:
            # a pooler keeps a transaction's statements together, so that none waits without the limit
            with conn.transaction():
                conn.execute(
                    "select set_config('lock_timeout', %s, true)", [f"{PATIENCE_SECONDS * 1000:.0f}ms"]
                )
                conn.execute("select pg_advisory_lock(%s, hashtext(%s))", [LOCK_CLASS, self._schema])
        except psycopg.errors.LockNotAvailable:
            return False
        return True

    def _has_lock(self, conn: psycopg.Connection) -> bool:
        try:
            found = conn.execute(
                """select exists (
                    select from pg_locks
                    where
                        locktype = 'advisory' and granted and pid = pg_backend_pid()
                        and classid = %s::bigint::oid
                        and objid = ((hashtext(%s)::bigint + 4294967296) %% 4294967296)::oid
                        and objsubid = 2
                )""",
                [LOCK_CLASS, self._schema],
            ).fetchone()
        except psycopg.Error:
            return False
        return found == (True,)

    def _holder(self, conn: psycopg.Connection) -> str:
        """Who has the lock, as far as this role may see it."""
        found = conn.execute(
            """select
                pg_locks.pid, usename, application_name,
                to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
            from pg_locks left join pg_stat_activity on pg_locks.pid = pg_stat_activity.pid
            where
                locktype = 'advisory' and granted and classid = %s::bigint::oid
                and objid = ((hashtext(%s)::bigint + 4294967296) %% 4294967296)::oid
                and pg_locks.database = (select oid from pg_database where datname = current_database())""",
            [LOCK_CLASS, self._schema],
        ).fetchone()
        if found is None:
            return ""
        pid, role, application, since = found
        who = (application or "").removeprefix("timeback job ") or "unknown"
        return f": {who} as {role}{f', since {since} UTC' if since else ''} (server process {pid})"

    def _watch(self, conn: psycopg.Connection, stop: threading.Event) -> None:
        """Also keeps the session from being idle for so long that somebody closes it."""
        while not stop.wait(HEARTBEAT_SECONDS):
            if not self._has_lock(conn) and not stop.is_set():
                self.is_lost = True
                self._on_loss()
                return


def _told(error: psycopg.Error) -> str:
    """What went wrong, in a line, without what psycopg and libpq wrap it in."""
    text = " ".join(str(error).split())
    return text.removeprefix("connection is bad: ").partition(" Is the server running ")[0]
