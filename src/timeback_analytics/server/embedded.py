"""One embedded server: its data folder, its sockets, and how it is started and stopped."""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
import psycopg
from psycopg import sql

from timeback_analytics.errors import ServerError
from timeback_analytics.server.processes import end_leftovers, postmaster_of
from timeback_analytics.server.programs import MAJOR_VERSION, Programs, user_name

SUPERUSER = "postgres"
DATABASE = "timeback"
SOCKET_PORT = 5432
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 60

# For a box of two cores and a few GiB that also runs dbt and a browser.
DEFAULT_SETTINGS: Mapping[str, str] = {
    "max_connections": "50",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    # a query of a hundred milliseconds would spend more on compiling than it gains
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}


class EmbeddedServer:
    """One PostgreSQL server on one data folder.

    Any number of objects and processes may stand for the same server: what is true is read from the
    data folder each time. Nothing stops the server except stop().

    Args:
        data_dir: the data folder, made by start() when missing; its parent must exist.
        settings: PostgreSQL settings that differ from DEFAULT_SETTINGS, for example {"fsync": "off"}.
            They count from the next start() of a stopped server.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._programs = Programs(self.data_dir)
        self._lock_path = self.data_dir.parent / f"{self.data_dir.name}.lock"
        self._tcp_path = self.data_dir.parent / f"{self.data_dir.name}.tcp"

    @property
    def bin_dir(self) -> Path:
        """The folder of initdb, pg_ctl, postgres, psql and PostgreSQL's other programs."""
        return self._programs.bin_dir

    @property
    def socket_dir(self) -> Path:
        """The folder of the server's socket; libpq takes it as a host. Known before the server exists."""
        parent = Path("/tmp")
        if not os.access(parent, os.W_OK | os.X_OK):
            parent = Path(tempfile.gettempdir())
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return parent / f"timeback-{digest}"

    @property
    def tcp_port(self) -> int | None:
        """The port on 127.0.0.1, or None where the server has its socket alone."""
        if not self._tcp_path.exists():
            return None
        return int(self._tcp_path.read_text().splitlines()[0])

    @property
    def tcp_password(self) -> str | None:
        """The password of the role postgres over TCP, or None where there is no TCP."""
        if not self._tcp_path.exists():
            return None
        return self._tcp_path.read_text().splitlines()[1]

    def dsn(self, dbname: str = DATABASE, user: str = SUPERUSER) -> str:
        """A connection string (URI) through the socket, for libpq, psycopg and whatever else reads one."""
        host = urlencode({"host": str(self.socket_dir), "port": SOCKET_PORT})
        return f"postgresql://{quote(user, safe='')}@/{quote(dbname, safe='')}?{host}"

    def tcp_dsn(self, dbname: str = DATABASE, user: str = SUPERUSER) -> str:
        """A connection string (URI) through TCP, with the password where the role is postgres.

        Raises:
            ServerError: the server does not listen on TCP.
        """
        if self.tcp_port is None or self.tcp_password is None:
            raise ServerError("The server has its socket alone. Run `timeback server start --tcp` first.")
        password = f":{quote(self.tcp_password, safe='')}" if user == SUPERUSER else ""
        login = quote(user, safe="") + password
        return f"postgresql://{login}@127.0.0.1:{self.tcp_port}/{quote(dbname, safe='')}"

    def is_running(self) -> bool:
        """Whether this data folder's own postmaster is alive.

        Raises:
            ServerError: the data folder is another user's.
        """
        return self._postmaster() is not None

    def start(self) -> None:
        """Start the server, making its data folder first when missing. Nothing happens when it runs.

        Raises:
            ServerError: it does not start; the text has the end of PostgreSQL's log.
        """
        with self._lock():
            if self._postmaster() is not None:
                if self._socket_path.is_socket():
                    return
                # something swept /tmp: a server that nobody can reach
                self._stop()
            end_leftovers(self.data_dir)
            self._initialize()
            self._prepare_socket_dir()
            self._write_configuration()
            log_path = self.data_dir / "server.log"
            result = self._programs.run(
                "pg_ctl",
                "start",
                "--wait",
                f"--timeout={START_TIMEOUT_SECONDS}",
                f"--pgdata={self.data_dir}",
                f"--log={log_path}",
            )
            if result.returncode != 0:
                port = (
                    f"\nTCP port {self.tcp_port} is kept by `timeback server start --tcp {self.tcp_port}`; "
                )
                hint = f"{port}--tcp PORT chooses another, --no-tcp none." if self.tcp_port else ""
                raise ServerError(
                    f"PostgreSQL does not start:\n{_tail(log_path)}\nIts whole log: {log_path}{hint}"
                )
            self._link_socket()
            self._set_tcp_password()

    def stop(self) -> None:
        """Stop the server; open connections are closed. Nothing happens when it does not run.

        Raises:
            ServerError: the data folder is another user's, or the server does not end.
        """
        with self._lock():
            if self._postmaster() is not None:
                self._stop()
            end_leftovers(self.data_dir)
            self._remove_socket_dir()

    def listen_on_tcp(self, port: int | None) -> None:
        """Choose the port on 127.0.0.1 that the server listens on; None leaves it its socket alone.

        Kept until another one is chosen, and counts from the next start() of a stopped server. A password
        for the role postgres is made with the first port.
        """
        if port is None:
            self._tcp_path.unlink(missing_ok=True)
            return
        password = self.tcp_password or secrets.token_urlsafe(24)
        self._tcp_path.touch(mode=0o600)
        self._tcp_path.write_text(f"{port}\n{password}\n")

    def ensure_database(self, dbname: str = DATABASE) -> None:
        """Make the database, empty, unless it exists. The server must run."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            if conn.execute("select from pg_database where datname = %s", [dbname]).rowcount == 0:
                # another process may have been faster
                with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    conn.execute(sql.SQL("create database {}").format(sql.Identifier(dbname)))

    def _postmaster(self) -> psutil.Process | None:
        try:
            return postmaster_of(self.data_dir)
        except PermissionError as error:
            raise self._not_ours() from error

    def _stop(self) -> None:
        result = self._programs.run(
            "pg_ctl",
            "stop",
            "--wait",
            "--mode=fast",
            f"--timeout={STOP_TIMEOUT_SECONDS}",
            f"--pgdata={self.data_dir}",
        )
        if result.returncode != 0 and self._postmaster() is not None:
            raise ServerError(f"PostgreSQL does not stop:\n{result.stderr}{result.stdout}")

    # Folders, files and who may use them.

    def _initialize(self) -> None:
        version_file = self.data_dir / "PG_VERSION"
        if self.data_dir.exists():
            version = version_file.read_text().strip() if version_file.exists() else "?"
            if version != str(MAJOR_VERSION):
                raise ServerError(
                    f"{self.data_dir} is not a data folder of PostgreSQL {MAJOR_VERSION} "
                    f"(version: {version}). "
                    "If nothing in it is needed, remove it and run this again."
                )
            self._programs.let_through(self.data_dir.parent)
            return

        uid, gid = self._programs.ids()
        # made beside its place and renamed, so that an interrupted initdb leaves nothing half-made
        unfinished = self.data_dir.with_name(f"{self.data_dir.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(unfinished, uid, gid)
        self._programs.let_through(unfinished.parent, (uid, gid))
        result = self._programs.run(
            "initdb",
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--auth=trust",
            "--no-instructions",
            *(["--no-sync"] if self.settings.get("fsync") == "off" else []),
            ids=(uid, gid),
        )
        if result.returncode != 0:
            raise ServerError(
                f"The embedded server's data folder cannot be made:\n{result.stderr}{result.stdout}"
            )
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write("\n# written at each start; ALTER SYSTEM overrides it\ninclude 'timeback.conf'\n")
        # The socket folder is open to its owner alone, so everybody who reaches the socket is let in.
        (unfinished / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        unfinished.rename(self.data_dir)

    def _write_configuration(self) -> None:
        settings = {
            **self.settings,
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "listen_addresses": "" if self.tcp_port is None else "127.0.0.1",
            "port": str(self.tcp_port or SOCKET_PORT),
        }
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
        path = self.data_dir / "timeback.conf"
        path.write_text("".join(lines))
        if os.geteuid() == 0:
            os.chown(path, *self._programs.ids())

    def _prepare_socket_dir(self) -> None:
        """Make the socket folder, or take over what is left in our own.

        /tmp is everybody's: a folder that another user made in our name is never used.
        """
        uid, gid = self._programs.ids()
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(self.socket_dir, uid, gid)
        found = self.socket_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
            raise ServerError(
                f"{self.socket_dir} should be a folder of {user_name(uid)}'s for the server's socket, but "
                f"{user_name(found.st_uid)} made it. Remove it, or have it removed, and run this again."
            )
        self.socket_dir.chmod(0o700)
        # No server of this data folder runs, so a socket or its lock in here is what a crash left. The
        # lock may name a process id that somebody else has now.
        for leftover in self.socket_dir.glob(".s.PGSQL.*"):
            leftover.unlink()
        self._programs.let_through(self.socket_dir.parent)

    def _remove_socket_dir(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.socket_dir.lstat().st_uid in (os.geteuid(), self._programs.ids()[0]):
                shutil.rmtree(self.socket_dir)

    @property
    def _socket_path(self) -> Path:
        return self.socket_dir / f".s.PGSQL.{SOCKET_PORT}"

    def _link_socket(self) -> None:
        """The socket's name holds the TCP port; profiles know the one name alone."""
        if self.tcp_port not in (None, SOCKET_PORT):
            self._socket_path.symlink_to(f".s.PGSQL.{self.tcp_port}")

    def _set_tcp_password(self) -> None:
        if self.tcp_password is None:
            return
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            # hashed here, so that the server's log never holds it
            hashed = conn.pgconn.encrypt_password(
                self.tcp_password.encode(), SUPERUSER.encode(), b"scram-sha-256"
            )
            conn.execute(
                sql.SQL("alter role {} password {}").format(
                    sql.Identifier(SUPERUSER), sql.Literal(hashed.decode())
                )
            )

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time starts or stops this server; the system ends the lock with its holder."""
        try:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise self._not_ours() from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _not_ours(self) -> ServerError:
        owner = self.data_dir if self.data_dir.exists() else self.data_dir.parent
        return ServerError(
            f"The embedded server in {owner} belongs to {user_name(owner.stat().st_uid)}, and you are "
            f"{user_name(os.geteuid())}. Work as the one who started it first, or in a checkout of your own."
        )


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return str(error)
