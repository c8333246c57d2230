"""Errors that a user can do something about, and a sentence for any other."""

import errno

import psycopg


class TimebackError(Exception):
    """Something that a user can correct; its text says what is wrong and what to do.

    The command line prints the text alone, without a traceback, and exits with 1.
    """


class MissingDependencyError(TimebackError):
    """A package that only some commands need is not installed; the text says how to install it."""


class ServerError(TimebackError):
    """The embedded server could not do what was asked."""


_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (
        psycopg.errors.ReadOnlySqlTransaction,
        "The server is read-only: a standby, or one that is set so. Name the server that is written to.",
    ),
    (
        psycopg.errors.DiskFull,
        "The server's disk is full. Make room there and run this again; what was under way is undone.",
    ),
    (psycopg.errors.InsufficientPrivilege, "Ask an administrator for the right that is missing."),
    (psycopg.errors.LockNotAvailable, "Somebody else holds it; run this again later."),
    (
        psycopg.OperationalError,
        "The connection or the server failed, as it does where its disk is full; its log says why. "
        "Run this again when the server answers.",
    ),
)


def sentence_about(error: Exception) -> str | None:
    """What to tell a user about an error that no command foresaw; None where it is a fault of ours.

    Args:
        error: what was raised.

    Returns:
        The database's or the system's own words on one line, and what to do.
    """
    if isinstance(error, psycopg.Error):
        remedy = next((text for kind, text in _REMEDIES if isinstance(error, kind)), "")
        return f"The database refuses: {_first_line(error)}. {remedy}".strip()
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            place = f" for {error.filename}" if error.filename else ""
            return f"The disk is full: there is no room{place}. Make room and run this again."
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}."
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
