"""Documents on their way to the table, kept on disk: an export has more of them than fit into memory."""

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Spool(Sequence[tuple[str, str | None, datetime | None]]):
    """Documents by path, in a database of SQLite that goes with the object.

    Of one path the newest is kept, of two as old, or without a time, the one that came later. A row is the
    path, the fields as JSON (None for a document that was deleted), and when it was written.

    Attributes:
        replaced: how often a path came again.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="timeback-load-")
        self._database = sqlite3.connect(Path(self._folder.name) / "documents.sqlite", isolation_level=None)
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -32000"):
            self._database.execute(f"pragma {pragma}")
        self._database.execute(
            "create table document (path text primary key, data text, written_at integer) without rowid"
        )
        self._database.execute("begin")
        self.replaced = 0
        self._put = 0

    def put(self, path: str, data: str | None, written_at: datetime | None) -> None:
        """Keep a document, unless a newer one of its path is kept."""
        self._put += 1
        microseconds = None if written_at is None else (written_at - _EPOCH) // timedelta(microseconds=1)
        self._database.execute(
            """insert into document values (?, ?, ?)
            on conflict (path) do update set data = excluded.data, written_at = excluded.written_at
            where document.written_at is null or excluded.written_at is null
                or excluded.written_at >= document.written_at""",
            (path, data, microseconds),
        )

    def finish(self) -> None:
        """Say that everything is in it."""
        self.replaced = self._put - len(self)

    def count_deleted(self) -> int:
        """How many of the documents are deleted ones."""
        return self._database.execute("select count(*) from document where data is null").fetchone()[0]

    def __len__(self) -> int:
        return self._database.execute("select count(*) from document").fetchone()[0]

    def __getitem__(self, place: Any) -> Any:
        raise NotImplementedError("documents are read in one go")

    def __iter__(self) -> Iterator[tuple[str, str | None, datetime | None]]:
        rows = self._database.execute("select path, data, written_at from document order by path")
        for path, data, microseconds in rows:
            yield path, data, None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
