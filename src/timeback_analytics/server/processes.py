"""The processes of a server: which is the postmaster of a data folder, and what a crash left."""

import contextlib
import signal
from pathlib import Path

import psutil

LEFTOVER_TIMEOUT_SECONDS = 10


def postmaster_of(data_dir: Path) -> psutil.Process | None:
    """The process that a data folder's postmaster.pid names, if it is alive and really works in that folder.

    A pid alone says nothing: after a crash another process may have it, and a copied checkout
    brings the pid of the original's server.

    Raises:
        PermissionError: the folder is another user's.
    """
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
        process = psutil.Process(int(lines[0]))
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        return None
    return process if _works_in(data_dir, process) else None


def _works_in(data_dir: Path, process: psutil.Process) -> bool:
    try:
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and process.name().startswith("postgres")
            and Path(process.cwd()) == data_dir
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def end_leftovers(data_dir: Path) -> None:
    """Clear away what a crash left in a data folder. No postmaster may be running there.

    Backends that outlived their postmaster, and the server of a folder that was deleted under it,
    work in this very folder and are nobody else's. They are ended in the way that writes nothing more,
    since the server of a deleted folder would write into the new one of the same name.

    A dead process's pid file is PostgreSQL's to judge; one that names some other, living process
    would stop it from starting.
    """
    leftovers = [process for process in psutil.process_iter() if _works_in(data_dir, process)]
    for process in leftovers:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGQUIT)
    _, stubborn = psutil.wait_procs(leftovers, timeout=LEFTOVER_TIMEOUT_SECONDS)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=LEFTOVER_TIMEOUT_SECONDS)

    pid_file = data_dir / "postmaster.pid"
    try:
        named = int(pid_file.read_text().splitlines()[0])
    except FileNotFoundError:
        return
    except (ValueError, IndexError):
        named = None
    if named is None or psutil.pid_exists(named):
        pid_file.unlink()
