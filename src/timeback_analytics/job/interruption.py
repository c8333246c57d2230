"""How a job learns that it is to end, and how what is under way is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

REMIND_SECONDS = 10.0
"""How long a step may take to end before it is asked to end again."""


class JobInterruptedError(Exception):
    """Somebody asked the job to end."""


class Interruption:
    """Turns the signals that ask a process to end into KeyboardInterrupt, which dbt cleans up after.

    Attributes:
        signal: the name of the signal that came; None until one comes.
        is_in_step: whether a step is under way, which `stop_step` may stop.
    """

    def __init__(self, exit_code: int) -> None:
        """exit_code: the exit code if a second signal comes, which leaves no time for a report."""
        self._exit_code = exit_code
        self.signal: str | None = None
        self.is_in_step = False

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to signals; does nothing in any thread but the main one, where Python cannot."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(number: int, frame: Any) -> None:
            if number == signal.SIGUSR1:
                if self.is_in_step:
                    raise KeyboardInterrupt
                return
            if self.signal is not None:
                os._exit(self._exit_code)
            self.signal = signal.Signals(number).name
            # Python drops what is raised while it clears an object away, and the step goes on
            reminder.start()
            raise KeyboardInterrupt

        reminder = threading.Timer(REMIND_SECONDS, self.stop_step)
        reminder.daemon = True
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
        before = {number: signal.signal(number, interrupt) for number in numbers}
        try:
            yield
        finally:
            reminder.cancel()
            if reminder.is_alive():
                reminder.join()
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop_step(self) -> None:
        """Stop what is under way, from any thread: the lock is gone, say, so another job may begin."""
        if threading.main_thread().is_alive():
            os.kill(os.getpid(), signal.SIGUSR1)

    @contextlib.contextmanager
    def in_step(self) -> Iterator[None]:
        """A step is under way, which stop_step may stop."""
        self.is_in_step = True
        try:
            yield
        finally:
            self.is_in_step = False

    def raise_if_asked(self) -> None:
        """Raises JobInterruptedError once a signal came."""
        if self.signal is not None:
            raise JobInterruptedError
