"""How a load says how far it is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """What a load calls as it goes along."""

    def step(self, label: str, length: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a step of so many units; the context gives a function to call with the units done since."""
        ...


class Silence:
    """Progress that nobody wants to see."""

    @contextmanager
    def step(self, label: str, length: int) -> Iterator[Callable[[int], None]]:
        """See Progress.step."""
        yield lambda count: None
