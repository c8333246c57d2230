"""Firestore documents, as ROAR keeps them, out of the exports that people have."""

import gzip
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._firestore_file import ExportFile
from timeback_analytics.load.formats._firestore_records import Databases
from timeback_analytics.load.formats._firestore_spool import Spool
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import LoadError, Problem, Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.recognize import what_are, what_is
from timeback_analytics.load.tables import Reading, TableRows
from timeback_analytics.load.text_form import plain_utf8

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv")
_LISTED = 8


class Firestore:
    """The format `firestore`."""

    name = "firestore"
    description = "Firestore documents, of the ROAR assessment"
    accepts = (
        "JSON lines, a nested JSON export, the REST interface's JSON, changelog rows; or a folder of them"
    )
    whole = None
    options = frozenset(["collection", "database"])

    def __init__(self) -> None:
        self.tables = {"roar_document": ("path", "data", "update_time")}

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        spool = Spool()
        databases = Databases(options.database)
        collection = options.collection.strip("/") if options.collection else None
        files = _files(path)
        for file in files:
            with (
                progress.step(f"Reading {file.name}", file.stat().st_size) as advance,
                file.open("rb") as raw,
            ):
                _read(file, raw, spool, problems, advance, databases, collection)
        spool.finish()
        notes = []
        if spool.replaced:
            notes.append(
                f"{spool.replaced:,} documents came more than once; of each path the newest counts, of two "
                "as old, or without a time, the one that came later."
            )
        if databases.passed_over:
            notes.append(
                f"{databases.passed_over:,} documents of other databases than {options.database} were passed "
                "over."
            )
        deleted = spool.count_deleted()
        of_files = "1 file" if len(files) == 1 else f"{len(files):,} files"
        what = f"Firestore: {len(spool) - deleted:,} documents and {deleted:,} deletions out of {of_files}"
        rows = TableRows(
            "roar_document",
            ("path", "data", "update_time"),
            spool,
            key=("path",),
            newer_only=True,
            modified="update_time",
            tombstone="data",
        )
        return Reading(what, [rows], notes)


FORMAT = Firestore()


def _files(path: Path) -> list[Path]:
    """The file, or those of a folder in the order of their names."""
    if not path.is_dir():
        if not path.is_file():
            raise LoadError(str(path), [Problem(path.name, "there is no such file or folder.")])
        return [path]
    found = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    files = [file for file in found if file.name.lower().removesuffix(".gz").endswith(_SUFFIXES)]
    if files:
        return files
    known = what_are([file.name for file in path.rglob("*")])
    if known:
        raise LoadError(str(path), [Problem(path.name, f"this is {known.what}.", known.remedy)])
    listed = ", ".join(entry.name for entry in sorted(path.iterdir())[:_LISTED]) or "nothing"
    wanted = ", ".join(_SUFFIXES)
    reason = f"the folder has no file that ends in {wanted}, or in one of these and .gz."
    raise LoadError(str(path), [Problem(path.name, reason, f"There is {listed}.")])


def _read(
    file: Path,
    raw: IO[bytes],
    spool: Spool,
    problems: Problems,
    advance: Callable[[int], None],
    databases: Databases,
    collection: str | None,
) -> None:
    """Read a file, or say what it is."""
    known = what_is(file) if file.stat().st_size else None
    if known and known.is_binary and not known.is_gzip:
        problems.add(file.name, f"this is {known.what}.", known.remedy)
        return
    name = file.name
    is_csv = name.lower().removesuffix(".gz").endswith(".csv")
    try:
        with plain_utf8(raw) as text:
            ExportFile(name, text, spool, problems, advance, databases, collection).read(is_csv=is_csv)
    except UnicodeDecodeError:
        problems.add(name, "the file is in none of UTF-8, UTF-16 and UTF-32.", "Save it as UTF-8.")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        problems.add(name, f"the gzip file is damaged ({error}).", "Export or copy it again.")
    except sqlite3.Error as error:
        # nearly always the temporary folder is full
        reason = f"its documents cannot be kept while they are read ({error})."
        remedy = "Make room in the temporary folder, or name another with TMPDIR."
        raise LoadError(name, [Problem(name, reason, remedy)]) from error
