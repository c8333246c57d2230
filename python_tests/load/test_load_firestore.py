"""Firestore documents: four kinds of export become the same rows, and what is none is told."""

import csv
import io
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from load_helpers import contents, counts

from timeback_analytics.load import LoadError, Report, load

RESOURCE = "projects/gse-roar-assessment/databases/(default)/documents/"
WRITTEN = datetime(2025, 11, 3, 10, 0, 0, 123456, tzinfo=UTC)
DOCUMENTS: dict[str, dict[str, Any]] = {
    "guests/G1": {"age": 9, "tasks": ["swr", "pa"], "birthYear": None, "created": "2023-09-15T00:00:00Z"},
    "guests/G1/runs/R1": {"scores": {"raw": {"n": [1, 2.5, -3e-7]}}, "timeFinished": None, "big": 2**62},
    "guests/G1/runs/R1/trials/a,b": {"correct": True, "options": {"0": "cat", "1": 'c"t'}, "empty": {}},
    "users/日本 🦉": {},
    "users/U1/runs/R9": {"note": "a run of a user without a document", "list": [], "\\u0000": "\\u0000"},
}
Load = Callable[[str, str], Report]


@pytest.fixture
def load_text(conn: psycopg.Connection, tmp_path: Path) -> Load:
    """Write a file and load it."""

    def run(text: str, name: str = "export.json") -> Report:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return load("firestore", tmp_path / name, connection=conn)

    return run


def stored(conn: psycopg.Connection) -> dict[str, Any]:
    """Path -> fields, as the table has them."""
    return dict(conn.execute("select path, data from roar_document").fetchall())


def times(conn: psycopg.Connection) -> set[datetime]:
    return {moment for (moment,) in conn.execute("select distinct update_time from roar_document")}


# -- the forms ------------------------------------------------------------------------------------


def as_lines(documents: dict[str, Any], written: str | None = None) -> str:
    time = {} if written is None else {"update_time": written}
    return "".join(
        json.dumps({"path": path, "data": data, **time}) + "\n" for path, data in documents.items()
    )


def nested(documents: dict[str, Any], below: str, top: str | None, *, whole_paths: bool = False) -> str:
    """A nested export: the collections below a document stand under `below`, those at the top under `top`."""
    root: dict[str, Any] = {}
    for path, data in documents.items():
        parts = path.split("/")
        at = root if top is None else root.setdefault(top, {})
        for depth in range(0, len(parts), 2):
            name = "/".join(parts[: depth + 1]) if whole_paths and depth else parts[depth]
            document = at.setdefault(name, {}).setdefault(parts[depth + 1], {})
            at = document.setdefault(below, {}) if depth + 2 < len(parts) else at
        document.update(data)
    return json.dumps(root, ensure_ascii=False)


def rest_value(value: Any) -> dict[str, Any]:
    """A value with its type, as Firestore's REST interface writes it."""
    if value is None:
        return {"nullValue": None}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"integerValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"timestampValue" if value.endswith(":00Z") else "stringValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": list(map(rest_value, value))} if value else {}}
    return {"mapValue": {"fields": rest_fields(value)} if value else {}}


def rest_fields(data: dict[str, Any]) -> dict[str, Any]:
    return {name: rest_value(value) for name, value in data.items()}


def rest(documents: dict[str, Any], written: str = "2025-11-03T10:00:00.123456789Z") -> list[dict[str, Any]]:
    found = []
    for path, data in documents.items():
        document = {"name": RESOURCE + path, "createTime": "2020-01-01T00:00:00Z", "updateTime": written}
        # an empty document has no fields at all
        found.append({**document, "fields": rest_fields(data)} if data else document)
    return found


def changelog(
    documents: dict[str, Any], operation: str = "IMPORT", written: Any = None
) -> list[dict[str, Any]]:
    return [
        {
            "timestamp": written or "2025-11-03 10:00:00.123456 UTC",
            "event_id": "e1",
            "document_name": RESOURCE + path,
            "document_id": path.rpartition("/")[2],
            "operation": operation,
            "data": None if operation == "DELETE" else json.dumps(data),
        }
        for path, data in documents.items()
    ]


def lines_of(records: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, records))


def as_csv(records: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0].keys())
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


WITH_PARENTS = {**DOCUMENTS, "users/U1": {}}
"""A nested export has every document above another."""
FORMS = {
    "lines": (as_lines(DOCUMENTS, "2025-11-03T10:00:00.123456Z"), DOCUMENTS, True),
    "lines without times": (as_lines(DOCUMENTS), DOCUMENTS, False),
    "lines with a BOM": ("\ufeff" + as_lines(DOCUMENTS) + "\n\n", DOCUMENTS, False),
    "an array of documents": (f"[{','.join(as_lines(DOCUMENTS).splitlines())}]", DOCUMENTS, False),
    "nested, __collections__": (nested(DOCUMENTS, "__collections__", "__collections__"), WITH_PARENTS, False),
    "nested, subCollection": (nested(DOCUMENTS, "subCollection", None), WITH_PARENTS, False),
    "nested, whole paths": (nested(DOCUMENTS, "subCollection", None, whole_paths=True), WITH_PARENTS, False),
    "REST, a list": (json.dumps({"documents": rest(DOCUMENTS), "nextPageToken": "x"}), DOCUMENTS, True),
    "REST, pretty": (json.dumps({"documents": rest(DOCUMENTS)}, indent=2), DOCUMENTS, True),
    "REST, lines": (lines_of(rest(DOCUMENTS)), DOCUMENTS, True),
    "REST, documents one after the other": (
        "\n".join(json.dumps(document, indent=1) for document in rest(DOCUMENTS)),
        DOCUMENTS,
        True,
    ),
    "REST, a query": (
        json.dumps([{"document": document} for document in rest(DOCUMENTS)] + [{"readTime": "2025"}]),
        DOCUMENTS,
        True,
    ),
    "changelog": (lines_of(changelog(DOCUMENTS)), DOCUMENTS, True),
    "changelog, an array": (json.dumps(changelog(DOCUMENTS)), DOCUMENTS, True),
    "changelog, Unix times": (lines_of(changelog(DOCUMENTS, written="1.762164000123456E9")), DOCUMENTS, True),
}


@pytest.mark.parametrize(("text", "documents", "is_timed"), FORMS.values(), ids=FORMS)
def test_every_form_gives_the_documents(conn, load_text, text, documents, is_timed):
    report = load_text(text)
    assert counts(report) == {"roar_document": (len(documents), 0, 0, 0, 0)}
    assert stored(conn) == documents
    started = conn.execute("select now()").fetchone()[0]
    assert times(conn) == {WRITTEN if is_timed else started}
    # a second load changes nothing, not even where a row is
    before = contents(conn)
    again = load_text(text)
    assert counts(again) == {"roar_document": (0, 0, len(documents), 0, 0)}
    assert contents(conn) == before


def test_a_csv_of_the_changelog_is_read_too(conn, load_text):
    load_text(as_csv(changelog(DOCUMENTS)), "changelog.csv")
    assert stored(conn) == DOCUMENTS
    load_text(
        as_csv(changelog({path: {} for path in DOCUMENTS}, "DELETE", "2026-01-01 00:00:00 UTC")), "more.csv"
    )
    assert stored(conn) == {}


def test_marked_types_of_a_nested_export_are_plain(conn, load_text):
    marked = {"__datatype__": "timestamp", "value": {"_seconds": 1, "_nanoseconds": 2}}
    load_text(
        json.dumps({"__collections__": {"guests": {"G": {"created": marked, "deep": [{"x": marked}]}}}})
    )
    assert stored(conn) == {"guests/G": {"created": marked["value"], "deep": [{"x": marked["value"]}]}}


def test_values_that_json_has_not(conn, load_text):
    fields = {
        "nan": {"doubleValue": "NaN"},
        "place": {"geoPointValue": {"latitude": 1.5, "longitude": 2}},
        "bytes": {"bytesValue": "AAE="},
        "other": {"referenceValue": RESOURCE + "users/U"},
    }
    load_text(json.dumps({"name": RESOURCE + "guests/G", "fields": fields}))
    load_text('{"path": "guests/H", "data": {"nan": NaN, "infinite": -Infinity}}')
    assert stored(conn) == {
        "guests/G": {
            "nan": "NaN",
            "place": {"latitude": 1.5, "longitude": 2},
            "bytes": "AAE=",
            "other": RESOURCE + "users/U",
        },
        "guests/H": {"nan": "NaN", "infinite": "-Infinity"},
    }


def test_a_folder_is_read_in_the_order_of_names(conn, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "b.jsonl").write_text(as_lines({"guests/G": {"from": "b"}}))
    (folder / "a.json").write_text(
        nested({"guests/G": {"from": "a"}, "guests/H": {}}, "__collections__", None)
    )
    (folder / "notes.txt").write_text("no export")
    report = load("firestore", folder, connection=conn)
    assert stored(conn) == {"guests/G": {"from": "b"}, "guests/H": {}}
    assert "2 documents and 0 deletions out of 2 files" in report.what
    assert any("1 documents came more than once" in note for note in report.notes)


# -- newest wins ----------------------------------------------------------------------------------


def test_the_newest_row_of_a_changelog_wins_whatever_the_order(conn, load_text):
    """And DELETE removes; worked out here row by row."""
    chance = random.Random("changelog")
    rows = []
    newest: dict[str, tuple[int, Any]] = {}
    for number in range(400):
        path = f"users/U{chance.randint(1, 12)}"
        operation = chance.choice(("CREATE", "UPDATE", "UPDATE", "IMPORT", "DELETE"))
        data = {"version": number}
        moment = WRITTEN + timedelta(microseconds=number)
        rows += changelog({path: data}, operation, moment.isoformat())
        newest[path] = number, None if operation == "DELETE" else data
    chance.shuffle(rows)
    # in two loads, the second of which knows both older and newer ones
    load_text(lines_of(rows[:200]))
    load_text(lines_of(rows))
    assert stored(conn) == {path: data for path, (_, data) in newest.items() if data is not None}
    assert len(stored(conn)) < len(newest)


def test_of_two_as_old_the_later_row_wins(conn, load_text):
    load_text(lines_of([*changelog({"users/U": {"n": 1}}), *changelog({"users/U": {"n": 2}})]))
    assert stored(conn) == {"users/U": {"n": 2}}
    load_text(lines_of([*changelog({"users/U": {"n": 3}}), *changelog({"users/U": {}}, "DELETE")]))
    assert stored(conn) == {}


def test_what_is_older_than_its_row_is_left_out(conn, load_text):
    load_text(as_lines({"users/U": {"n": 2}}, "2025-01-02T00:00:00Z"))
    report = load_text(as_lines({"users/U": {"n": 1}}, "2025-01-01T00:00:00Z"))
    assert counts(report) == {"roar_document": (0, 0, 0, 1, 0)}
    report = load_text(lines_of(changelog({"users/U": {}}, "DELETE", "2025-01-01 00:00:00 UTC")))
    assert counts(report) == {"roar_document": (0, 0, 0, 1, 0)}
    assert stored(conn) == {"users/U": {"n": 2}}


def test_a_deletion_removes_one_document_and_leaves_what_is_below(conn, load_text):
    load_text(as_lines(DOCUMENTS, "2025-01-01T00:00:00Z"))
    report = load_text(lines_of(changelog({"guests/G1": {}, "guests/never": {}}, "DELETE")))
    assert counts(report) == {"roar_document": (0, 0, 0, 0, 1)}
    assert stored(conn) == {path: data for path, data in DOCUMENTS.items() if path != "guests/G1"}


def test_a_changed_document_keeps_no_old_field(conn, load_text):
    load_text(as_lines({"users/U": {"a": 1, "b": 2}}))
    report = load_text(as_lines({"users/U": {"b": 3}}))
    assert counts(report) == {"roar_document": (0, 1, 0, 0, 0)}
    assert stored(conn) == {"users/U": {"b": 3}}


# -- what is wrong --------------------------------------------------------------------------------

GOOD = '{"path": "users/U", "data": {}}\n'
WRONG = {
    "an empty file": ("", "the file is empty"),
    "no JSON": ("users", "this is not JSON"),
    "half an array": ('[{"path": "users/U", "data": {}},', "this is not JSON"),
    "half a nested export": ('{"users": {"U": {', "this is not JSON"),
    "a number": ("7", "neither a document nor an export"),
    "a slip in a line": (GOOD + '{"path": "users/V", "data": }\n' + GOOD, "line 2: this is not JSON"),
    "a slip in the first line": ('{"path": "users/V", "data": }\n' + GOOD, "line 1: this is not JSON"),
    "a line that is not a document": (GOOD + "[]\n", "line 2: this is not a document"),
    "something else": ('{"path": "users/U"}\n', "line 1: .*neither path and data"),
    "an odd path": (
        '{"path": "users/U/runs", "data": {}}',
        "'users/U/runs': this is not a path of a document",
    ),
    "a path with a hole": ('{"path": "users//runs/R", "data": {}}', "this is not a path of a document"),
    "a path that is none": ('{"path": 7, "data": {}}', "the path of the document must be a text"),
    "fields that are none": ('{"path": "users/U", "data": [1]}', "data must be an object"),
    "a time that is none": (
        '{"path": "users/U", "data": {}, "update_time": "soon"}',
        "this is not a time.*Write it as",
    ),
    "a NUL": ('{"path": "users/U", "data": {"a": "x\\u0000"}}', "NUL or half of a surrogate"),
    "half a surrogate pair": ('{"path": "users/U", "data": {"a": "\\ud83e"}}', "NUL or half of a surrogate"),
    "a number too large": ('{"path": "users/U", "data": {"a": 1e999}}', "1e999 is larger than"),
    "a changelog without operation": ('{"document_name": "users/U", "data": "{}"}', "operation is None"),
    "an unknown operation": (
        '{"document_name": "users/U", "operation": "DROP", "timestamp": 1}',
        "operation is 'DROP', and must be one of CREATE",
    ),
    "a changelog without time": (
        '{"document_name": "users/U", "operation": "DELETE"}',
        "no timestamp, so nobody knows",
    ),
    "a changelog without data": (
        '{"document_name": "users/U", "operation": "UPDATE", "timestamp": 1, "data": null}',
        "data must be an object",
    ),
    "data that is not JSON": (
        '{"document_name": "users/U", "operation": "UPDATE", "timestamp": 1, "data": "{"}',
        "data is not JSON",
    ),
    "an untyped value": ('{"name": "users/U", "fields": {"a": 7}}', "must have one type"),
    "an unknown type": ('{"name": "users/U", "fields": {"a": {"vectorValue": []}}}', "must have one type"),
    "an integer that is none": (
        '{"name": "users/U", "fields": {"a": {"integerValue": "x"}}}',
        "this is not a valid integerValue",
    ),
    "a collection that is a list": (
        '{"users": [1, {"a": 2}], "guests": {"G": {}}}',
        "'users': the collection must",
    ),
    "a document that is a text": ('{"users": {"U": "x"}}', "'users/U': the document must be an object"),
    "nested too deep": (
        '{"path": "users/U", "data": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}",
        "nested",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_and_nothing_is_written(conn, load_text, text, message):
    load_text(as_lines({"users/before": {}}))
    before = contents(conn)
    with pytest.raises(LoadError, match=message) as caught:
        load_text(text)
    assert "export.json" in str(caught.value)
    assert contents(conn) == before


def test_every_problem_is_told_with_its_line(load_text):
    with pytest.raises(LoadError) as caught:
        load_text(GOOD + '{"path": "x", "data": {}}\n' + GOOD + '{"path": "users/U", "data": 1}\n')
    assert [problem.line for problem in caught.value.problems] == [2, 4]


def test_a_file_that_is_not_utf8_is_told(conn, tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes(GOOD.encode() + '{"path": "users/é", "data": {}}\n'.encode("latin-1"))
    with pytest.raises(LoadError, match="line 2: the line is not UTF-8"):
        load("firestore", path, connection=conn)
    with pytest.raises(LoadError, match="no such file"):
        load("firestore", tmp_path / "none.json", connection=conn)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LoadError, match=r"no file that ends in \.json"):
        load("firestore", tmp_path / "empty", connection=conn)
