"""What events say, kept on disk on its way to the tables, because events may not fit into memory.

Rows are only appended: one for each fact and the event that states it. Facts of deleted events are ignored,
duplicates count once, and of facts that contradict each other the later one counts. So the order of the files
makes no difference.
"""

import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from timeback_analytics.load.formats._lenient import as_datetime
from timeback_analytics.load.problems import LoadError, Problem

# Column by table. A time is microseconds since 1970. said_at is when it was said, of a fixed length, so
# that the largest of said_at and value is what was said last.
TABLES = {
    "event": (
        "id", "type", "action", "person", "actor", "object", "generated", "session", "tag", "app", "time",
        "is_deleted", "rank",
    ),
    "person": ("key", "sourced_id", "email"),
    "app": ("key", "iri", "name"),
    "session": ("event", "id", "person", "actor", "app", "said_at", "started", "time", "ended"),
    "attempt": (
        "event", "id", "person", "actor", "resource", "count", "duration", "said_at", "started", "began",
        "ended", "closed",
    ),
    "response": ("event", "id", "attempt"),
    "score": ("event", "id", "attempt", "given", "possible", "said_at", "time"),
    "resource": ("event", "kind", "id", "name", "description", "media_type", "said_at"),
    "relation": ("event", "source", "destination", "place", "said_at"),
    "points": ("event", "person", "app", "value", "time"),
    "left_out": ("event", "reason"),
}  # fmt: skip
_TYPES = {
    **dict.fromkeys(
        ("time", "started", "began", "ended", "closed", "is_deleted", "count", "place"), "integer"
    ),
}
_BUFFERED = 2_000
_REMEMBERED = 100_000
# Years before 1970 are below zero.
_OFFSET = 10**17


def said_at(time: int | None) -> str:
    """A time as text whose order is that of the times; the earliest where there is none."""
    return f"{0 if time is None else time + _OFFSET:018d}"


class Spool:
    """A database of SQLite with TABLES, which goes with the object."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="timeback-load-")
        self._database = sqlite3.connect(Path(self._folder.name) / "facts.sqlite", isolation_level=None)
        self._buffers: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._remembered: set[tuple[Any, ...]] = set()
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -32768", "temp_store = 1"):
            self.run(f"pragma {pragma}")
        self._inserts = {}
        for table, columns in TABLES.items():
            defined = ", ".join(f'"{name}" {_TYPES.get(name, "text")}' for name in columns)
            self.run(f"create table {table} ({defined})")
            self._inserts[table] = f"insert into {table} values ({', '.join('?' * len(columns))})"
        self.run("begin")

    def add(self, table: str, *row: Any) -> None:
        """Keep a row, with its values in the order of TABLES."""
        rows = self._buffers[table]
        rows.append(row)
        if len(rows) >= _BUFFERED:
            self._flush(table)

    def add_once(self, table: str, *row: Any) -> None:
        """add(), unless the same row has been kept a short while ago."""
        if row not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered.add(row)
            self.add(table, *row)

    def _flush(self, table: str) -> None:
        try:
            self._database.executemany(self._inserts[table], self._buffers[table])
        except sqlite3.Error as error:
            raise _full(error) from error
        self._buffers[table].clear()

    def finish(self) -> None:
        """Say that everything has been added."""
        for table in TABLES:
            self._flush(table)

    def run(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement.

        Raises:
            LoadError: there is no room.
        """
        try:
            return self._database.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise _full(error) from error

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row."""
        try:
            self._database.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise _full(error) from error

    def value(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The first value of the first row; None where there is no row."""
        row = self.run(query, values).fetchone()
        return row[0] if row else None

    def batches(self, query: str, size: int = 5_000) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, so many at a time."""
        cursor = self.run(query)
        while rows := cursor.fetchmany(size):
            yield rows


class Rows(Sequence[tuple[Any, ...]]):
    """The rows of a query of the spool, as a sequence that can be iterated once and is never in memory."""

    def __init__(
        self,
        spool: Spool,
        query: str,
        convert: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None,
        *,
        times: Sequence[int] = (),
    ) -> None:
        """Take a query; the columns at the places `times` are times, and then convert makes the row."""
        self._spool = spool
        self._query = query
        self._convert = convert
        self._times = tuple(times)

    def __len__(self) -> int:
        return self._spool.value(f"select count(*) from ({self._query})")

    def __getitem__(self, place: Any) -> Any:
        raise NotImplementedError("rows are read in one go")

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for row in self._spool.run(self._query):
            if self._times:
                values = list(row)
                for place in self._times:
                    values[place] = as_datetime(values[place])
                row = tuple(values)
            yield self._convert(row) if self._convert else row


def _full(error: sqlite3.Error) -> LoadError:
    """What SQLite says, as a problem: nearly always that the temporary folder is full."""
    reason = f"what the files say cannot be kept while they are read ({error})."
    remedy = "Make room in the temporary folder, or name another with TMPDIR."
    return LoadError("The load", [Problem("temporary folder", reason, remedy)])
