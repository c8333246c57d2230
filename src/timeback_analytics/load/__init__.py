"""Loads files of standard formats into the operational tables. README.md says what becomes of what."""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from timeback_analytics.connection import connect, operational_schema
from timeback_analytics.errors import TimebackError
from timeback_analytics.load import formats as _formats
from timeback_analytics.load.database import Database
from timeback_analytics.load.losses import check_losses
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import Group, LoadError, Problem, Problems
from timeback_analytics.load.progress import Progress, Silence
from timeback_analytics.load.tables import Format, Reading
from timeback_analytics.load.writer import TableResult, write
from timeback_analytics.operational import create_operational_schema

__all__ = ["Group", "LoadError", "Options", "Problem", "Report", "TableResult", "formats", "load"]


@dataclass(frozen=True)
class Report:
    """What a load has done, or with dry_run would do.

    Attributes:
        what: what was read.
        where: the schema and the database.
        tables: what happened to each table.
        notes: what was left out, and what to do about it.
        dry_run: whether nothing was written.
        skipped: records that were left out; see load for skip_bad.
        problems: what was wrong with them, by kind.
    """

    what: str
    where: str
    tables: tuple[TableResult, ...]
    notes: tuple[str, ...]
    dry_run: bool
    skipped: int = 0
    problems: tuple[Group, ...] = ()

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
    whole: bool = False,
    progress: Progress | None = None,
    problems_file: Path | str | None = None,
    **options: Any,
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
        whole: whether what is loaded is all that there is, so that what an earlier load brought and this one
            does not list becomes tobedeleted; the format's attribute whole says what of.
        progress: told how far it is.
        problems_file: a CSV file to write every record to that skip_bad left out, with file, line, column,
            value, reason and remedy. It is written before anything else is, in a dry run too; without one
            skipped record it is not.
        **options: skip_bad, skip_limit, max_loss, source, encoding, version, collection and database; see
            timeback_analytics.load.options.Options.

    Raises:
        LoadError: what was given cannot be loaded; it says where, why and what to do.
        TimebackError: the format, the target or an option is unknown, the schema is somebody else's, or the
            format has no use for an option.
    """
    form = _format(format)
    job = _Job(
        form,
        Path(path),
        target,
        schema or operational_schema(target),
        dry_run,
        _options(form, whole, options),
        progress or Silence(),
        None if problems_file is None else Path(problems_file),
    )
    if connection is not None:
        return job.run(connection)
    with connect(target, autocommit=True) as own:
        return job.run(own)


def _format(name: str) -> Format:
    known = formats()
    if name not in known:
        raise TimebackError(f"There is no format {name}; the formats are {', '.join(known)}.")
    return known[name]


def _options(form: Format, whole: bool, options: dict[str, Any]) -> Options:
    if whole and form.whole is None:
        raise TimebackError(f"What {form.name} loads has no whole that something could be missing from.")
    try:
        chosen = Options(whole=whole, **options)
    except TypeError as error:
        raise TimebackError(f"There is no such option: {', '.join(options)}.") from error
    chosen.check(form.name, form.options)
    return chosen


@dataclass(frozen=True)
class _Job:
    """A load; see load for the attributes."""

    format: Format
    path: Path
    target: str
    schema: str
    dry_run: bool
    options: Options
    progress: Progress
    problems_file: Path | None

    def run(self, conn: psycopg.Connection) -> Report:
        """Read, check and write, in one transaction."""
        what = str(self.path)
        try:
            with conn.transaction(force_rollback=self.dry_run):
                if self.target == "embedded":
                    create_operational_schema(conn, self.schema)
                database = Database(conn, self.schema)
                database.require(what, self.format.tables)
                reading, problems = self._read(what, database)
                results = write(
                    database,
                    reading.tables,
                    self.progress,
                    dry_run=self.dry_run,
                    check=lambda losses: check_losses(
                        what, [*reading.losses, *losses], self.options.max_loss
                    ),
                )
        except psycopg.Error as error:
            raise LoadError(what, [_refusal(self.schema, error)]) from error
        except OSError as error:
            reason = f"it cannot be read ({error.strerror or error})."
            raise LoadError(what, [Problem(self.path.name, reason)]) from error
        where = f"schema {self.schema} of database {conn.info.dbname}"
        return Report(
            reading.what,
            where,
            tuple(results),
            tuple(reading.notes),
            self.dry_run,
            problems.rejected,
            tuple(problems.groups),
        )

    def _read(self, what: str, database: Database) -> tuple[Reading, Problems]:
        """Read and check; what is skipped is on disk before anything is written."""
        problems = Problems(skip_bad=self.options.skip_bad, skip_limit=self.options.skip_limit)
        reading = self.format.read(self.path, database, problems, self.progress, self.options)
        problems.settle(what)
        if problems.total and self.problems_file is not None:
            try:
                problems.save(self.problems_file)
            except OSError as error:
                reason = f"the skipped records cannot be written there ({error.strerror or error})."
                raise LoadError(what, [Problem(str(self.problems_file), reason)]) from error
        return reading, problems


_UNKNOWN_NAMES = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedTable,
)


def _refusal(schema: str, error: psycopg.Error) -> Problem:
    """What the database said, for tables with rules of their own that no format knows."""
    said = error.diag.message_primary or str(error)
    details = " ".join(part for part in (error.diag.message_detail, error.diag.context) if part)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        remedy = "Ask the owner of the tables for the right to select, insert, update and delete."
    elif error.diag.context and isinstance(error, _UNKNOWN_NAMES):
        # our own statements name every schema, and have no context
        remedy = (
            f"{details}. A trigger of the tables names something without its schema. Sessions of timeback "
            "look for names in pg_catalog only, so that nothing of somebody else's is taken for it. Have the "
            "function's owner run: alter function ... set search_path = public, pg_temp;"
        )
    else:
        remedy = details
    return Problem(f"schema {schema}", f"the database refuses: {said}.", remedy)
