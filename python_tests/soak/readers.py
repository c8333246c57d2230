"""Readers who never stop: what they saw while a catalog was deployed."""

import itertools
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType

import psycopg

from attacks.world import ask_for


@dataclass
class Readers(AbstractContextManager):
    """Threads that read one row of each relation, round and round, each in a connection of its own.

    Attributes:
        dsn: libpq's connection string.
        relations: what is read, as it stands in SQL; each must have rows from the beginning.
        scope: the scope of the sessions.
        number: how many readers.
        pause: seconds between two reads of a reader.
        on_standby: whether they read from a standby, which cancels a query when a view that it reads is
            replaced; they ask again then, as docs/copies.md says.
    """

    dsn: str
    relations: Sequence[str]
    scope: str = "*"
    number: int = 3
    pause: float = 0.0
    on_standby: bool = False
    answers: int = 0
    cancelled: int = 0
    errors: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    longest: tuple[float, str] = (0.0, "")
    """Seconds and the relation of the longest wait for an answer."""

    def __enter__(self) -> "Readers":
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._read, args=(one,)) for one in range(self.number)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, number: int) -> None:
        # not all of them on one view at a time
        start = number * len(self.relations) // self.number
        relations = itertools.cycle([*self.relations[start:], *self.relations[:start]])
        while not self._stop.is_set():
            with psycopg.connect(self.dsn, autocommit=True) as conn:
                ask_for(conn, self.scope)
                while not conn.closed and not self._stop.wait(self.pause):
                    self._ask(conn, next(relations))

    def _ask(self, conn: psycopg.Connection, relation: str) -> None:
        began = time.monotonic()
        row, problem, is_cancelled = None, "", False
        try:
            # prepared never: a new plan each time, as from as many new clients
            row = conn.execute(f"select * from {relation} limit 1", prepare=False).fetchone()
        except psycopg.Error as found:
            problem = f"{relation}: {found}"
            is_cancelled = self.on_standby and "conflict with recovery" in problem
        took = time.monotonic() - began
        with self._lock:
            self.answers += 1
            self.longest = max(self.longest, (took, relation))
            if is_cancelled:
                self.cancelled += 1
            elif problem:
                self.errors.append(problem)
            elif row is None:
                self.empty.append(relation)

    def verdict(self) -> str:
        """What they saw, in a sentence."""
        cancelled = f", {self.cancelled} cancelled" if self.on_standby else ""
        return (
            f"{self.answers:,} answers, {len(self.errors)} errors{cancelled}, {len(self.empty)} empty ones; "
            f"the longest wait {self.longest[0]:.2f} s, for {self.longest[1]}"
        )


def relations_with_rows(conn: psycopg.Connection, schema: str, scope: str = "*") -> list[str]:
    """Every relation of a schema that shows a row under the scope, by name."""
    names = conn.execute(
        "select format('%%I.%%I', %s::text, relname) from pg_class "
        "where relnamespace = %s::regnamespace and relkind = 'v' order by relname",
        [schema, schema],
    ).fetchall()
    ask_for(conn, scope)
    return [name for (name,) in names if conn.execute(f"select * from {name} limit 1").fetchone()]
