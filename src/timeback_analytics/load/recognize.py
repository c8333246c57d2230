"""What a file is that cannot be loaded as what it was said to be, and the way that works."""

import json
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from timeback_analytics.load.problems import shown

_HEAD = 8192
_SAVE_AS_CSV = "Save each of its sheets as CSV (UTF-8), under the names of the standard."
_BY_MAGIC = (
    (b"\x1f\x8b", "a gzipped file", "Unpack it first (gunzip), and load what is in it."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet or document of Microsoft Office", _SAVE_AS_CSV),
    (b"%PDF", "a PDF", "Export the data, not a report."),
    (b"PAR1", "a Parquet file", "Export it as CSV or JSON lines."),
    (b"Obj\x01", "an Avro file", "Export it as CSV or JSON lines."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it, and load the folder."),
    (b"Rar!", "a RAR archive", "Unpack it, and load the folder."),
    (b"BZh", "a bzip2 file", "Unpack it first (bunzip2), and load what is in it."),
    (b"\xfd7zXZ", "an xz file", "Unpack it first (unxz), and load what is in it."),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "Unpack it first (unzstd), and load what is in it."),
    (b"SQLite format 3", "an SQLite database", "Export its tables."),
    (b"PK\x05\x06", "an empty zip", "Export it again."),
    (b"PK\x03\x04", "a zip that is cut off or damaged", "Export or copy it again."),
)
LEVELDB_EXPORT = "a managed export of Firestore (gcloud firestore export), which is in LevelDB's format"
LEVELDB_WAY = (
    "The way round is BigQuery: the Firestore-to-BigQuery extension, with its import of what is there,"
    " writes a raw changelog; export that table as JSON lines or CSV, and load it."
)
_SDS_FILES = {
    "school.csv",
    "section.csv",
    "student.csv",
    "teacher.csv",
    "studentenrollment.csv",
    "teacherroster.csv",
}
_REST_KEYS = (
    *("orgs", "users", "classes", "courses", "enrollments", "academicSessions", "students", "teachers"),
    *("org", "user", "class", "course", "enrollment", "academicSession", "lineItems", "results"),
)


@dataclass(frozen=True)
class Recognized:
    """What something is.

    Attributes:
        what: it, with its article.
        remedy: what to do with it; may be empty.
        is_binary: whether it is not text.
        is_gzip: whether it is gzipped.
    """

    what: str
    remedy: str = ""
    is_binary: bool = False
    is_gzip: bool = False


def what_is(path: Path) -> Recognized | None:
    """What a file is, by its first bytes; None where they tell nothing."""
    with path.open("rb") as raw:
        head = raw.read(_HEAD)
    if not head.strip():
        return Recognized("an empty file", "Export it again.")
    if zipfile.is_zipfile(path):
        return _zip_of(path)
    for magic, what, remedy in _BY_MAGIC:
        if head.startswith(magic):
            return Recognized(what, remedy, True, magic == _BY_MAGIC[0][0])
    if path.name.endswith("export_metadata"):
        return Recognized(LEVELDB_EXPORT, LEVELDB_WAY, True)
    return _text_of(head)


def _zip_of(path: Path) -> Recognized:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.startswith("xl/") for name in names):
        return Recognized("an Excel workbook", _SAVE_AS_CSV, True)
    if "content.xml" in names:
        return Recognized("an OpenDocument spreadsheet", _SAVE_AS_CSV, True)
    return Recognized("a zip", "Unpack it, and load the folder that comes out.", True)


def _text_of(head: bytes) -> Recognized | None:
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    lower = text[:200].lower()
    if lower.startswith(("<!doctype html", "<html")):
        return Recognized("a web page", "It may be the page of a sign-in. Download the file itself.")
    if text.startswith("<"):
        return Recognized("an XML file", "Export CSV or JSON.")
    if text.startswith(("{", "[")):
        return what_is_json(text)
    if "sourcedId" in text.splitlines()[0]:
        return Recognized(
            "one CSV file of a OneRoster bundle", "Load the folder or the zip that it is part of."
        )
    return None


def what_is_json(text: str) -> Recognized:
    """What a text of JSON is, by its beginning."""
    if '"CFDocument"' in text or '"CFPackage"' in text:
        return Recognized("a CASE package", "Load it with: timeback load case")
    if any(f'"{key}"' in text[:200] for key in _REST_KEYS) and "sourcedId" in text:
        return Recognized(
            "an answer of a OneRoster REST service, in JSON", "Load it with: timeback load oneroster-rest"
        )
    if '"error"' in text[:200]:
        try:
            message = str(json.loads(text)["error"]["message"])
        except (ValueError, TypeError, KeyError):
            message = ""
        said = f", which says {shown(message)}" if message else ""
        return Recognized(f"the error of a service{said}", "Ask for the data again.")
    return Recognized("a JSON file")


def what_are(names: Collection[str]) -> Recognized | None:
    """What a folder or a zip is by the names of its files; None where they tell nothing."""
    lower = {name.lower() for name in names}
    if len(lower & _SDS_FILES) >= 2:
        return Recognized(
            "an export for Microsoft School Data Sync",
            "Export OneRoster 1.1 or 1.2 instead; most student information systems write both.",
        )
    if any(name.endswith("export_metadata") for name in lower):
        return Recognized(LEVELDB_EXPORT, LEVELDB_WAY)
    if any(name.endswith((".xlsx", ".xls", ".ods")) for name in lower):
        return Recognized("a folder of spreadsheets", _SAVE_AS_CSV)
    if lower and all(name.endswith(".json") for name in lower):
        return Recognized(
            "a folder of JSON files",
            "Answers of a OneRoster REST service load with oneroster-rest, CASE packages with case.",
        )
    return None
