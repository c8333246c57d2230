"""What a format makes of a file: rows for operational tables, checked and ready to be written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from timeback_analytics.load.database import Database
from timeback_analytics.load.losses import Loss
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import Problems
from timeback_analytics.load.progress import Progress


@dataclass(frozen=True)
class Owners:
    """Whose rows are given whole, so that what a table has of theirs beside the given rows is taken away.

    Attributes:
        column: column of the table that names the owner.
        ids: the owners.
        table: table of the owners; those whose given row is older than the stored one are left alone.
    """

    column: str
    ids: Collection[str]
    table: str | None = None


@dataclass(frozen=True)
class TableRows:
    """Rows for one operational table.

    Attributes:
        table: the table.
        columns: the columns that the rows have; others are left as they are, null or default in a new row.
        rows: the rows, with one value for each column, which are iterated only once. A null in the column
            `modified` stands for the time of the load.
        key: the columns that identify a row; no two rows have the same values.
        mode: upsert writes new and changed rows; insert new rows alone; set makes the rows of the owners
            exactly these, where a row is nothing but its key.
        newer_only: whether a row is left as it is when the table has a later date in the column `modified`.
        modified: the column that says when a row was last changed.
        tombstone: with mode upsert, a column whose null says that the row is gone, and is to be deleted.
        owners: with mode set, whose rows these are.
        identity: columns that say who or what a row is, beside its id. A stored row that has another value in
            each of them (blanks and capitals aside) would become somebody else's; a load that does so to more
            than a few is stopped.
        vacate: by unique column, SQL (the row is t) for a value that no row has and that the row may
            take while rows exchange theirs.
    """

    table: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    key: tuple[str, ...] = ("id",)
    mode: Literal["upsert", "insert", "set"] = "upsert"
    newer_only: bool = False
    modified: str = "date_last_modified"
    tombstone: str | None = None
    owners: Owners | None = None
    identity: tuple[str, ...] = ()
    vacate: dict[str, str] = field(default_factory=dict)


@dataclass
class Reading:
    """What was read.

    Attributes:
        what: a line that says what it is, for example 'OneRoster 1.1 bundle of 9 organizations'.
        tables: the rows, in the order in which to write them.
        notes: what the reader should know though it keeps nothing from being loaded.
        losses: what the rows would end of what is stored without a record that says so; above the user's
            limit the load is stopped.
    """

    what: str
    tables: list[TableRows] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


class Format(Protocol):
    """A format that can be loaded: an object `FORMAT` in a module of timeback_analytics.load.formats.

    Attributes:
        name: what the user calls it, one word.
        description: what it is, in one line.
        accepts: what the path may be.
        tables: the operational tables that it writes or looks up, with the columns that it needs.
        whole: which stored rows become tobedeleted when what is loaded is said to be the whole, in words;
            None where that cannot be said of the format.
        options: which of encoding, version, collection, database and source (see Options) it looks at.
    """

    name: str
    description: str
    accepts: str
    tables: dict[str, tuple[str, ...]]
    whole: str | None
    options: frozenset[str]

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """Read and check it all, and give the rows; nothing is written.

        Args:
            path: what the user named.
            database: what is stored already, for references to what an earlier load brought.
            problems: where to note what is wrong; timeback_analytics.load.problems says how.
            progress: told how far it is.
            options: what the user said; whole only where the format says what of.

        Raises:
            LoadError: it is not worth reading on.
        """
        ...
