"""Errors that a user can do something about."""


class TimebackError(Exception):
    """Something that a user can mend; its text says what is wrong and what to do.

    The command line prints the text alone, without a traceback, and exits with 1.
    """


class MissingDependencyError(TimebackError):
    """A package that only some commands need is not installed; the text says how to install it."""
