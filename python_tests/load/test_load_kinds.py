"""The same bundle in every clothing that exports have: what is stored already is found to be just so."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from roster_bundles import small_bundle, written

from timeback_analytics.load import load
from timeback_analytics.load.formats._ceds import ceds_codes


def with_separator(separator: str, *, says_so: bool = False) -> Callable[[bytes], bytes]:
    def apply(data: bytes) -> bytes:
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=separator).writerows(rows)
        return ((f"sep={separator}\r\n" if says_so else "") + text.getvalue()).encode()

    return apply


def with_short_rows(data: bytes) -> bytes:
    header, *rows = data.split(b"\r\n")
    return b"\r\n".join([header, *(row.rstrip(b",") for row in rows)])


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "semicolons": with_separator(";"),
    "semicolons, said": with_separator(";", says_so=True),
    "carets, said": with_separator("^", says_so=True),
    "tabs": with_separator("\t"),
    "bars": with_separator("|"),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-16 of the other order, without a mark": lambda data: data.decode().encode("utf-16-be"),
    "UTF-32": lambda data: data.decode().encode("utf-32"),
    "Ctrl-Z on a line": lambda data: data + b"\x1a",
    "Ctrl-Z at the end of the last": lambda data: data.rstrip(b"\r\n") + b"\x1a",
    "blank lines": lambda data: data.replace(b"\r\n", b"\r\n  \r\n\r\n,,,\r\n"),
    "a blank line first": lambda data: b"\r\n" + data,
    "separators at the ends": lambda data: data.replace(b"\r\n", b",,\r\n"),
    "short rows": with_short_rows,
    "gzip": gzip.compress,
}


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_bytes(conn: psycopg.Connection, tmp_path: Path, version: str) -> None:
    assert load(
        "oneroster", written(tmp_path / "plain", version, small_bundle(version)), connection=conn
    ).changes
    for kind, change in BYTES.items():
        folder = written(tmp_path / kind, version, small_bundle(version))
        for file in folder.iterdir():
            file.write_bytes(change(file.read_bytes()))
        report = load("oneroster", folder, connection=conn)
        assert report.changes == 0, kind
        # of each table as many rows as there are records
        assert {table.table: table.unchanged for table in report.tables}["one_roster_user"] == 3, kind
        assert any("fewer values" in note for note in report.notes) == (kind == "short rows"), kind


def test_places(conn: psycopg.Connection, tmp_path: Path) -> None:
    plain = written(tmp_path / "plain", "1.2", small_bundle("1.2"))
    load("oneroster", plain, connection=conn)
    files = {file.name: file.read_bytes() for file in plain.iterdir()}

    def folder(name: str, below: str, rename: Callable[[str], str] = str) -> Path:
        (tmp_path / name / below).mkdir(parents=True)
        for file, data in files.items():
            (tmp_path / name / below / rename(file)).write_bytes(data)
        return tmp_path / name

    def archive(name: str, rename: Callable[[str], str]) -> Path:
        path = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as opened:
            for file, data in files.items():
                opened.writestr(rename(file), data)
                opened.writestr("__MACOSX/" + rename(file).replace("\\", "/"), b"x")
        return path

    clutter = folder("clutter", "")
    for file in files:
        (clutter / f"._{file}").write_bytes(b"\0\5")
    (clutter / "Thumbs.db").write_bytes(b"x")
    places = [
        folder("one below", "a"),
        folder("two below", "a/b c"),
        folder("capitals", "", str.upper),
        folder("gzipped names", "", lambda name: f"{name}.gz"),
        clutter,
        archive("backslashes", lambda name: f"export\\{name}"),
        archive("deep", lambda name: f"a/b/{name.title()}"),
    ]
    for place in places:
        report = load("oneroster", place, connection=conn)
        assert report.changes == 0, place
        assert not report.notes, place


@pytest.mark.parametrize(
    ("written_as", "codes"),
    [
        *((text, ["KG"]) for text in ("K", "k", "KG", "Kinder", "Kindergarten", "kindergarten ")),
        *((text, ["PK"]) for text in ("PK", "PreK", "Pre-K", "pre k", "Prekindergarten")),
        *(
            (text, ["01"])
            for text in ("1", "01", "001", "1st", "First", "First Grade", "Grade 1", "G1", "gr. 1")
        ),
        *((text, ["12"]) for text in ("12", "12th", "twelfth", "Grade 12", "12th grade", "Senior")),
        ("UG", ["UG"]),
        ("Ungraded", ["UG"]),
        ("01;02", ["01", "02"]),
        ("K|1", ["KG", "01"]),
        ("09 10 11", ["09", "10", "11"]),
        *((text, []) for text in ("00", "0", "-1", "14", "09-12", "A", "Elementary", "K-5", "1.5", "", ";")),
    ],
)
def test_grades(written_as: str, codes: list[str]) -> None:
    assert ceds_codes(written_as) == codes
