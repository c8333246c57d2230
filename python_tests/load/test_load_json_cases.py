"""Firestore exports and CASE packages as people have them, with the right result of each; see cases/*.yml."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from load_helpers import refused

from timeback_analytics.load import LoadError, load

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def cases(kind: str) -> dict[str, Any]:
    with (Path(__file__).parent / "cases" / f"{kind}.yml").open(encoding="utf-8") as file:
        return yaml.load(file, Loader=_LOADER)


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write the file or the folder of a case."""

    def put(path: Path, data: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else base64.b64decode(data["base64"]))

    def write(kind: str, name: str) -> Path:
        said = cases(kind)[name]
        if isinstance(said, dict) and "files" in said:
            for path, data in said["files"].items():
                put(tmp_path / name / path, data)
        else:
            put(tmp_path / name, said)
        return tmp_path / name

    return write


# What loads: the documents afterwards.
U1 = {"userType": "student", "createdAt": {"_seconds": 1713175200, "_nanoseconds": 0}}
FIREFOO = {
    "userType": "student",
    "createdAt": "2025-08-23T12:30:56.671Z",
    "ref": "districts/D1",
    "loc": {"latitude": 1.5, "longitude": 2.5},
}
WITH_RUN = {"users/U1": FIREFOO, "users/U1/runs/R1": {"taskId": "swr"}}
CHANGES = ["cl.jsonl", "cl4.jsonl", "clarr.json", "cl.jsonl.gz", "cl16.jsonl", "gzs"]
TIMES = [f"clts{number}.jsonl" for number in (0, 3, 4, 7, 9, 11, 12, 14)]
FIRESTORE: dict[str, dict[str, Any]] = {
    **{name: {"users/U1": U1} for name in [*CHANGES, *TIMES]},
    "cl2.jsonl": {"users/U1": {"x": "NaN"}},
    "cl3.jsonl": {},
    "cl5.jsonl": {"users/U1": {"userType": "student"}},
    "clbom.csv": {},
    "cllatest.csv": {"users/U1": {"userType": "student"}},
    "db.jsonl": {"users/U1": {}},
    "firefoo.jsonl": {"users/U1": {"userType": "student"}},
    "firefoo_root.json": WITH_RUN,
    "firefoo_tags.json": WITH_RUN,
    "firefoo_view.json": {
        "users/LabU1": {
            "userType": "student",
            "createdAt": "2025-08-23T12:30:56.671Z",
            "lastUpdated": {"_seconds": 1713175200, "_nanoseconds": 0},
        }
    },
    "pretty.json": {"users/U1": {"a": 1}},
    "restempty.json": {},
    "restempty2.json": {},
    "root.json": {
        "collectionA/docA": {"name": "john"},
        "collectionA/docA/contacts/contactDocId": {"name": "sam"},
        "collectionA/docB": {"name": "billy"},
        "collectionB/docC": {"name": "annie"},
        "collectionB/docD": {"name": "jane"},
    },
}
# What is refused: words of the error.
FIRESTORE_REFUSED = {
    "arr.json": "this is not a document",
    "arr2.json": "the collection must be an object.*--collection",
    "cl6.jsonl": "data must be an object",
    "clsemi.csv": "'x': this is not a path of a document",
    "cltrunc.jsonl": "line 2: this is not JSON",
    "clts15.jsonl": "this is not a time",
    "clts16.jsonl": "this is not a time",
    "clts5.jsonl": "this is not a time",
    "empty.json": "the file is empty",
    "firefoo.csv": "not of which collection.*--collection",
    "firefoo_data.json": "the document must be an object.*name it with --collection",
    "fs.zip": "this is a zip. Unpack it",
    "gcloud": "LevelDB's format.*BigQuery",
    "ids.jsonl": "'/users/U3/': this is not a path",
    "key.jsonl": "this is not a document",
    "resterr.json": "error of a service, which says 'Missing or insufficient permissions.'",
    "sub": "no file that ends in .json.*There is users",
    "sur.jsonl": "half of a surrogate pair",
    "wild": "no file that ends in .json.*There is changelog-000000000000",
}


def test_every_firestore_case_is_judged() -> None:
    assert sorted([*FIRESTORE, *FIRESTORE_REFUSED]) == sorted(cases("firestore"))


@pytest.mark.parametrize("name", FIRESTORE)
def test_firestore(conn: psycopg.Connection, case: Callable[..., Path], name: str) -> None:
    path = case("firestore", name)
    load("firestore", path, connection=conn)
    assert dict(conn.execute("select path, data from roar_document").fetchall()) == FIRESTORE[name]
    assert load("firestore", path, connection=conn).changes == 0


@pytest.mark.parametrize("name", FIRESTORE_REFUSED)
def test_firestore_refused(conn: psycopg.Connection, case: Callable[..., Path], name: str) -> None:
    error = refused(conn, case("firestore", name), "firestore")
    assert re.search(FIRESTORE_REFUSED[name], str(error))
    assert "b'" not in str(error)
    assert "\\x" not in str(error)


@pytest.mark.parametrize("name", TIMES)
def test_times_of_a_changelog(conn: psycopg.Connection, case: Callable[..., Path], name: str) -> None:
    load("firestore", case("firestore", name), connection=conn)
    (moment,) = conn.execute("select update_time from roar_document").fetchone()
    assert moment.replace(microsecond=0) == datetime(2024, 4, 15, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("arr.json", {"users/U1": {"userType": "student"}, "users/U2": {"userType": "teacher"}}),
        ("firefoo_data.json", WITH_RUN),
        (
            "firefoo.csv",
            {"users/U1": {"userType": "student", "createdAt": "2025-08-23T12:30:56.671Z", "grade": "1"}},
        ),
    ],
)
def test_one_collection(
    conn: psycopg.Connection, case: Callable[..., Path], name: str, expected: dict[str, Any]
) -> None:
    load("firestore", case("firestore", name), connection=conn, collection="users")
    assert dict(conn.execute("select path, data from roar_document").fetchall()) == expected


def lines(*records: str) -> str:
    return "\n".join(records) + "\n"


ROW = '{"document_name": "projects/%s/databases/%s/documents/users/U1", "operation": "CREATE", \
"timestamp": "2024-04-15 10:00:0%d UTC", "data": "{\\"n\\": %d}"}'


def test_two_databases(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    path.write_text(lines(ROW % ("p", "(default)", 1, 1), ROW % ("q", "(default)", 2, 2)))
    error = refused(conn, path, "firestore")
    assert re.search(
        r"database q/\(default\).*--database p/\(default\) or --database q/\(default\)", str(error)
    )
    report = load("firestore", path, connection=conn, database="p")
    assert conn.execute("select data from roar_document").fetchall() == [({"n": 1},)]
    assert "1 documents of other databases than p" in report.notes[0]
    # of one project, two databases
    path.write_text(lines(ROW % ("p", "a", 1, 1), ROW % ("p", "b", 2, 2)))
    with pytest.raises(LoadError, match="--database p/a or --database p/b"):
        load("firestore", path, connection=conn, database="p")
    load("firestore", path, connection=conn, database="p/b")
    assert conn.execute("select data from roar_document").fetchall() == [({"n": 2},)]


def test_answers_of_a_batch(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "batch.json"
    path.write_text(
        """[{"found": {"name": "projects/p/databases/(default)/documents/users/U1",
        "fields": {"a": {"integerValue": "1"}}, "updateTime": "2024-01-01T00:00:00Z"}, "readTime": "2024"},
        {"missing": "projects/p/databases/(default)/documents/users/U2", "readTime": "2024"}]"""
    )
    load("firestore", path, connection=conn)
    assert conn.execute("select path, data from roar_document").fetchall() == [("users/U1", {"a": 1})]


@pytest.mark.parametrize("time", ['{"value": "2024-04-15T10:00:00Z"}', "1713175200000", '"1713175200"'])
def test_other_times(conn: psycopg.Connection, tmp_path: Path, time: str) -> None:
    path = tmp_path / "times.jsonl"
    path.write_text(f'{{"path": "users/U1", "data": {{}}, "update_time": {time}}}')
    load("firestore", path, connection=conn)
    assert conn.execute("select update_time from roar_document").fetchone() == (
        datetime(2024, 4, 15, 10, tzinfo=UTC),
    )


def test_bad_documents_are_left_out_when_the_user_says_so(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    good = [f'{{"path": "users/U{number}", "data": {{}}}}' for number in range(200)]
    path.write_text(lines(*good[:100], '{"path": "users/U1/x", "data": {}}', "{", *good[100:]))
    assert refused(conn, path, "firestore").total == 2
    report = load("firestore", path, connection=conn, skip_bad=True, problems_file=tmp_path / "p.csv")
    assert report.skipped == 2
    assert conn.execute("select count(*) from roar_document").fetchone() == (200,)
    told = (tmp_path / "p.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in told] == [
        ["file", "line"],
        ["docs.jsonl", "101"],
        ["docs.jsonl", "102"],
    ]


CASE_LOADS = {
    **{
        f"{name}.json": ["Mathematics"]
        for name in ("base", "dd", "h", "it", "it3", "mv1", "nan", "other", "s4", "wrap", "array")
    },
    "folder": ["Mathematics"],
    **{name: [] for name in ("mv2.json", "n1.json", "n2.json")},
}


def test_case_packages(conn: psycopg.Connection, case: Callable[..., Path]) -> None:
    for name in cases("case"):
        path = case("case", name)
        if name not in CASE_LOADS:
            refused(conn, path, "case")
            continue
        with conn.transaction(force_rollback=True):
            load("case", path, connection=conn)
            titles = conn.execute(
                "select title from cf_item_subject join cf_subject on identifier = subject_id"
            ).fetchall()
            assert titles == [(title,) for title in CASE_LOADS[name]], name
            assert load("case", path, connection=conn).changes == 0, name


def test_case_items_are_left_out_when_the_user_says_so(
    conn: psycopg.Connection, case: Callable[..., Path]
) -> None:
    path = case("case", "hcs.json")
    with pytest.raises(LoadError, match=r"Of 1 records 1 cannot be loaded \(100%\)"):
        load("case", path, connection=conn, skip_bad=True)
    report = load("case", path, connection=conn, skip_bad=True, skip_limit=100)
    assert report.skipped == 1
    assert conn.execute("select count(*) from cf_item").fetchone() == (0,)
    assert conn.execute("select count(*) from cf_document").fetchone() == (1,)
