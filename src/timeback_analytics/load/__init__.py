"""Loads files of standard formats into the operational tables. README.md says what becomes of what."""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path

import psycopg

from timeback_analytics.connection import connect, operational_schema
from timeback_analytics.errors import TimebackError
from timeback_analytics.load import formats as _formats
from timeback_analytics.load.database import Database
from timeback_analytics.load.problems import LoadError, Problem, Problems
from timeback_analytics.load.progress import Progress, Silence
from timeback_analytics.load.tables import Format
from timeback_analytics.load.writer import TableResult, write
from timeback_analytics.operational import create_operational_schema

__all__ = ["LoadError", "Problem", "Report", "TableResult", "formats", "load"]


@dataclass(frozen=True)
class Report:
    """What a load has done, or with dry_run would do.

    Attributes:
        what: what was read.
        where: the schema and the database.
        tables: what happened to each table.
        notes: what was left out, and what to do about it.
        dry_run: whether nothing was written.
    """

    what: str
    where: str
    tables: tuple[TableResult, ...]
    notes: tuple[str, ...]
    dry_run: bool

    @property
    def changes(self) -> int:
        """Rows that were inserted, updated or removed."""
        return sum(table.changes for table in self.tables)


def formats() -> dict[str, Format]:
    """The formats that can be loaded, by name: one a module of timeback_analytics.load.formats."""
    modules = (
        importlib.import_module(f"{_formats.__name__}.{module.name}")
        for module in pkgutil.iter_modules(_formats.__path__)
        if not module.name.startswith("_")
    )
    found = [module.FORMAT for module in modules]
    return {form.name: form for form in sorted(found, key=lambda form: form.name)}


def load(
    format: str,
    path: Path | str,
    target: str = "embedded",
    *,
    schema: str | None = None,
    connection: psycopg.Connection | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Load a file or a folder into the operational tables: all of it, or where something is wrong, nothing.

    A second load of the same changes nothing. On target embedded the schema is made when it is missing,
    and must be the project's own; on target server the tables must be there.

    Args:
        format: one of formats().
        path: what to load.
        target: embedded or server.
        schema: the schema of the operational tables, where it is not the target's usual one.
        connection: a connection to the target's database to use, and not one of its own. When it is in a
            transaction, the caller commits; else the load does.
        dry_run: whether to check and compare everything, and write nothing.
        progress: told how far it is.

    Raises:
        LoadError: what was given cannot be loaded; it says where, why and what to do.
        TimebackError: the format or target is unknown, or the schema is somebody else's.
    """
    known = formats()
    if format not in known:
        raise TimebackError(f"There is no format {format}; the formats are {', '.join(known)}.")
    schema = schema or operational_schema(target)
    progress = progress or Silence()
    if connection is not None:
        return _load(known[format], Path(path), target, schema, connection, dry_run, progress)
    with connect(target, autocommit=True) as own:
        return _load(known[format], Path(path), target, schema, own, dry_run, progress)


def _load(
    form: Format,
    path: Path,
    target: str,
    schema: str,
    conn: psycopg.Connection,
    dry_run: bool,
    progress: Progress,
) -> Report:
    what = str(path)
    report = None
    try:
        with conn.transaction(force_rollback=dry_run):
            if target == "embedded":
                create_operational_schema(conn, schema)
            database = Database(conn, schema)
            database.require(what, form.tables)
            problems = Problems()
            reading = form.read(path, database, problems, progress)
            problems.raise_if_any(what)
            results = write(database, reading.tables, progress, dry_run=dry_run)
            where = f"schema {schema} of database {conn.info.dbname}"
            report = Report(reading.what, where, tuple(results), tuple(reading.notes), dry_run)
    except psycopg.Error as error:
        raise LoadError(what, [_refusal(schema, error)]) from error
    except OSError as error:
        raise LoadError(what, [Problem(path.name, f"it cannot be read ({error.strerror}).")]) from error
    return report


def _refusal(schema: str, error: psycopg.Error) -> Problem:
    """What the database said, for tables with rules of their own that no format knows."""
    said = error.diag.message_primary or str(error)
    details = " ".join(part for part in (error.diag.message_detail, error.diag.context) if part)
    remedy = (
        "Ask the owner of the tables for the right to select, insert, update and delete."
        if isinstance(error, psycopg.errors.InsufficientPrivilege)
        else details
    )
    return Problem(f"schema {schema}", f"the database refuses: {said}.", remedy)
