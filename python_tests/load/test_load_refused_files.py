"""OneRoster files and zips that cannot be read at all: each is refused with the reason."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from load_helpers import Place, place, refused
from roster_bundles import columns, csv_bytes, small_bundle, written, zipped

from timeback_analytics.load import load, source

BYTES: dict[str, tuple[Callable[[bytes], bytes], Place, str]] = {
    "latin-1": (
        lambda data: data.replace(b"District", "Örebro".encode("latin-1")),
        ("orgs.csv", 2, None, None),
        "not UTF-8",
    ),
    "nothing": (lambda data: b"", ("orgs.csv", 1, None, None), "not even a header"),
    "cut in a quotation": (
        lambda data: data.replace(b"School", b'"School'),
        ("orgs.csv", 3, None, None),
        "not a CSV",
    ),
    "text after a quotation": (
        lambda data: data.replace(b"District", b'"Dis"trict'),
        ("orgs.csv", 2, None, None),
        "not a CSV",
    ),
    "missing column": (
        lambda data: data.replace(b"type", b"metadata.type"),
        ("orgs.csv", 1, "type", None),
        "missing",
    ),
    "column in capitals": (
        lambda data: data.replace(b"parentSourcedId", b"ParentSourcedID"),
        ("orgs.csv", 1, "parentSourcedId", "ParentSourcedID"),
        "capitals matter",
    ),
    "column twice": (
        lambda data: data.replace(b"identifier", b"name"),
        ("orgs.csv", 1, "name", None),
        "more than once",
    ),
    "too many values": (
        lambda data: data.replace(b"District", b"District, North"),
        ("orgs.csv", 2, None, None),
        "8 values",
    ),
    "too few values": (
        lambda data: data.replace(b"School,school,,d1", b"School"),
        ("orgs.csv", 3, "type", None),
        "empty",
    ),
}


@pytest.mark.parametrize("fault", BYTES)
def test_file_that_is_no_csv_of_its_kind(conn: psycopg.Connection, tmp_path: Path, fault: str) -> None:
    spoil, where, words = BYTES[fault]
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"))
    data = csv_bytes(columns("1.1", "orgs"), small_bundle("1.1")["orgs"])
    (folder / "orgs.csv").write_bytes(spoil(data))
    error = refused(conn, folder)
    # what else refers to the file is not a problem of its own
    assert [place(problem) for problem in error.problems] == [where]
    assert words in str(error)


def test_bytes_that_are_split_between_chunks(
    conn: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line of a bad byte is right wherever the chunks of the reader end."""
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"))
    good = (folder / "orgs.csv").read_bytes().replace(b"District", "Üñí".encode())
    (folder / "orgs.csv").write_bytes(good + b"x,,,\xc3(,school,,\r\n")
    for chunk in range(1, 12):
        monkeypatch.setattr("timeback_analytics.load.text_form._CHUNK", chunk)
        error = refused(conn, folder)
        assert [place(problem)[:2] for problem in error.problems] == [("orgs.csv", 4)]
        assert f"byte {len(good) + 5:,}" in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "../users.csv",
        "/etc/users.csv",
        "a/../../users.csv",
        "C:users.csv",
        "..\\users.csv",
        "\\\\a\\users.csv",
    ],
)
def test_zip_that_points_out_of_itself(conn: psycopg.Connection, tmp_path: Path, name: str) -> None:
    path = zipped(written(tmp_path / "bundle", "1.1", small_bundle("1.1")))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    assert "points out of the zip" in str(refused(conn, path))


def test_zip_bomb(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = zipped(written(tmp_path / "bundle", "1.1", small_bundle("1.1")))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demographics.csv", b"0" * 2**27)
    assert path.stat().st_size < 2**20
    assert "would unpack to 134," in str(refused(conn, path))


def test_zip_that_is_too_large_or_has_too_many_files(
    conn: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(written(tmp_path / "bundle", "1.1", small_bundle("1.1")))
    with monkeypatch.context() as patch:
        patch.setattr(source, "MAX_BYTES", 100)
        assert "the limit is 100 bytes" in str(refused(conn, path))
    with monkeypatch.context() as patch:
        patch.setattr(source, "MAX_ENTRIES", 5)
        assert "has 6 files" in str(refused(conn, path))


def test_zip_that_is_damaged(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = zipped(written(tmp_path / "bundle", "1.1", small_bundle("1.1")))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("orgs.csv")
    start = info.header_offset + 30 + len("orgs.csv")
    data[start : start + info.compress_size] = b"\xff" * info.compress_size
    path.write_bytes(data)
    assert "the zip is damaged" in str(refused(conn, path))


def test_zip_with_a_password(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = zipped(written(tmp_path / "bundle", "1.1", small_bundle("1.1")))
    data = bytearray(path.read_bytes())
    # the flag of every entry in the directory at the end
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 1)
    path.write_bytes(data)
    assert "is encrypted" in str(refused(conn, path))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_with_two_files_of_a_name(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = zipped(written(tmp_path / "bundle", "1.1", small_bundle("1.1")))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("orgs.csv", b"x")
    assert "two files named orgs.csv" in str(refused(conn, path))


def test_zip_with_two_bundles(conn: psycopg.Connection, tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"))
    path = zipped(folder, "a")
    with zipfile.ZipFile(path, "a") as archive:
        for file in folder.iterdir():
            archive.write(file, f"b/{file.name}")
    assert "more than one folder: a, b" in str(refused(conn, path))


def test_zip_with_clutter(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = zipped(written(tmp_path / "bundle", "1.1", small_bundle("1.1")), "bundle")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/bundle/._orgs.csv", b"x")
        archive.writestr("bundle/.DS_Store", b"x")
    assert load("oneroster", path, connection=conn).changes


@pytest.mark.parametrize("data", [None, b"", b"not a zip", b"PK\x03\x04"])
def test_neither_folder_nor_zip(conn: psycopg.Connection, tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "bundle.zip"
    if data is not None:
        path.write_bytes(data)
    assert "neither a folder nor a zip" in str(refused(conn, path)) or data is None


def test_zip_without_manifest(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b/notes.txt", b"x")
    assert [place(problem) for problem in refused(conn, path).problems] == [
        ("manifest.csv", None, None, None)
    ]
