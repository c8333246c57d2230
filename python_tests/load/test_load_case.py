"""CASE packages: documents, items and subjects, and what a package that is none is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from load_helpers import contents, counts, refused

from timeback_analytics.load import LoadError, load
from timeback_analytics.load.identifiers import derived_id

DOCUMENT = "d0000000-0000-0000-0000-000000000000"
MATH = "f0000000-0000-0000-0000-000000000001"
ART = "f0000000-0000-0000-0000-000000000002"
Package = dict[str, Any]


def item_id(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"


def small_package() -> Package:
    """A document on mathematics with a typed item, an untyped one, and one on art."""
    return {
        "CFDocument": {
            "identifier": DOCUMENT.upper(),
            "title": "Würfel 😀",
            "subject": ["Mathematics"],
            "subjectURI": [{"identifier": MATH, "title": "Mathematics", "uri": "https://example.org/1"}],
        },
        "CFItems": [
            {
                "identifier": item_id(1),
                "fullStatement": "Count to **100**",
                "humanCodingScheme": "K.CC.1",
                "CFItemType": "Standard",
            },
            {
                "identifier": item_id(2),
                "fullStatement": "Untyped",
                "CFItemType": None,
                "humanCodingScheme": "",
            },
            {
                "identifier": item_id(3),
                "fullStatement": "Draw",
                "CFItemTypeURI": {
                    "title": "Course",
                    "identifier": item_id(9),
                    "uri": "https://example.org/9",
                },
                "subjectURI": [{"identifier": ART, "title": "Art"}],
            },
        ],
        "CFAssociations": [],
        "CFDefinitions": {
            "CFSubjects": [
                {"identifier": MATH, "title": "Mathematics", "hierarchyCode": "1", "description": "Numbers"}
            ]
        },
    }


@pytest.fixture
def load_packages(conn: psycopg.Connection, tmp_path: Path) -> Callable[..., dict[str, tuple[int, ...]]]:
    """Write packages as files of a folder, in this order, and load the folder; gives the counts."""
    folders = iter(range(100))

    def run(*packages: Package) -> dict[str, tuple[int, ...]]:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        for number, package in enumerate(packages):
            (folder / f"{number}.json").write_text(json.dumps(package), encoding="utf-8")
        (folder / "README.txt").write_text("not a package")
        return counts(load("case", folder, connection=conn))

    return run


def test_package_becomes_rows(conn: psycopg.Connection, load_packages: Callable[..., Any]) -> None:
    assert load_packages(small_package()) == {
        "cf_document": (1, 0, 0, 0, 0),
        "cf_subject": (2, 0, 0, 0, 0),
        "cf_item": (3, 0, 0, 0, 0),
        "cf_item_subject": (3, 0, 0, 0, 0),
    }
    assert conn.execute("select identifier::text, title from cf_document").fetchall() == [
        (DOCUMENT, "Würfel 😀")
    ]
    assert conn.execute(
        """select cf_document_id::text, full_statement, human_coding_scheme, cf_item_type, subject_id::text
        from cf_item i join cf_item_subject s on s.cf_item_id = i.identifier order by i.identifier"""
    ).fetchall() == [
        (DOCUMENT, "Count to **100**", "K.CC.1", "Standard", MATH),
        (DOCUMENT, "Untyped", None, None, MATH),
        (DOCUMENT, "Draw", None, "Course", ART),
    ]
    assert conn.execute("select * from cf_subject order by hierarchy_code").fetchall() == [
        (conn.execute("select %s::uuid", [MATH]).fetchone()[0], "Mathematics", "1", "Numbers"),
        (conn.execute("select %s::uuid", [ART]).fetchone()[0], "Art", "Art", None),
    ]


def test_second_load_changes_nothing(conn: psycopg.Connection, load_packages: Callable[..., Any]) -> None:
    load_packages(small_package())
    before = contents(conn)
    assert all(numbers[:2] == (0, 0) for numbers in load_packages(small_package()).values())
    assert contents(conn) == before


def test_later_file_wins(conn: psycopg.Connection, load_packages: Callable[..., Any]) -> None:
    second = {
        "CFDocument": {"identifier": DOCUMENT, "title": "Second"},
        "CFItems": [{"identifier": item_id(1), "fullStatement": "Second", "CFItemType": "Course"}],
    }
    load_packages(small_package(), second)
    first_item = "select full_statement, human_coding_scheme, cf_item_type from cf_item where identifier = %s"
    assert conn.execute("select title from cf_document").fetchall() == [("Second",)]
    assert conn.execute(first_item, [item_id(1)]).fetchone() == ("Second", None, "Course")
    assert conn.execute("select count(*) from cf_item").fetchone() == (3,)
    assert load_packages(second, small_package())["cf_item"] == (0, 1, 2, 0, 0)
    assert conn.execute(first_item, [item_id(1)]).fetchone() == ("Count to **100**", "K.CC.1", "Standard")


def test_subjects_are_replaced_when_they_are_told_and_left_alone_when_not(
    conn: psycopg.Connection, load_packages: Callable[..., Any]
) -> None:
    load_packages(small_package())
    package = small_package()
    del package["CFDocument"]["subjectURI"], package["CFDocument"]["subject"]
    package["CFItems"][2]["subjectURI"] = []
    load_packages(package)
    assert conn.execute("select cf_item_id::text from cf_item_subject order by 1").fetchall() == [
        (item_id(1),),
        (item_id(2),),
    ]


def test_subject_by_name(conn: psycopg.Connection, load_packages: Callable[..., Any]) -> None:
    package = small_package()
    del package["CFDocument"]["subjectURI"]
    package["CFItems"][2] |= {"subjectURI": None, "subject": ["Unheard of"]}
    load_packages(package)
    assert conn.execute("select count(*), count(distinct subject_id) from cf_item_subject").fetchone() == (
        3,
        2,
    )
    assert conn.execute("select title from cf_subject where hierarchy_code = 'Unheard of'").fetchall() == [
        ("Unheard of",)
    ]


def test_subject_of_the_database_is_not_made_again(
    conn: psycopg.Connection, load_packages: Callable[..., Any]
) -> None:
    conn.execute("insert into cf_subject values (%s, 'Arts', '2', 'Drawing')", [ART])
    assert load_packages(small_package())["cf_subject"] == (1, 0, 0, 0, 0)
    assert conn.execute("select title from cf_subject where identifier = %s", [ART]).fetchone() == ("Arts",)


@pytest.mark.parametrize("definitions", [None, {}, {"CFSubjects": None}, {"CFItemTypes": []}])
def test_sparse_package(
    conn: psycopg.Connection, load_packages: Callable[..., Any], definitions: Package | None
) -> None:
    package = {"CFDocument": {"identifier": DOCUMENT, "title": "x"}, "CFDefinitions": definitions}
    assert load_packages(package, package | {"CFItems": None}) == {"cf_document": (1, 0, 0, 0, 0)}


def put(path: str, value: Any) -> Callable[[Package], None]:
    """Set the value at a path of keys and places."""

    def apply(package: Package) -> None:
        *parents, last = path.split(".")
        thing: Any = package
        for name in parents:
            thing = thing[int(name) if isinstance(thing, list) else name]
        thing[int(last) if isinstance(thing, list) else last] = value

    return apply


# what is wrong, the path where it is told, the value, words of the reason
FAULTS: dict[str, tuple[Callable[[Package], None], str, str | None, str]] = {
    "no document": (put("CFDocument", None), "$.CFDocument", None, "not a CFPackage"),
    "identifier": (put("CFItems.1.identifier", "K.1"), "$.CFItems[1].identifier", "K.1", "not a UUID"),
    "no identifier": (put("CFItems.1.identifier", None), "$.CFItems[1].identifier", None, "missing or empty"),
    "identifier twice": (
        put("CFItems.2.identifier", item_id(1)),
        "$.CFItems[2].identifier",
        item_id(1),
        "$.CFItems[0].identifier has the same",
    ),
    "no statement": (
        put("CFItems.0.fullStatement", " "),
        "$.CFItems[0].fullStatement",
        None,
        "missing or empty",
    ),
    "statement": (put("CFItems.0.fullStatement", 7), "$.CFItems[0].fullStatement", "7", "must be a text"),
    "half a surrogate": (
        put("CFItems.0.fullStatement", "\ud83d"),
        "$.CFItems[0].fullStatement",
        "\ud83d",
        "surrogate",
    ),
    "NUL": (put("CFDocument.title", "a\0"), "$.CFDocument.title", "a\0", "NUL"),
    "items": (put("CFItems", {"a": 1}), "$.CFItems", '{"a": 1}', "must be a list"),
    "item": (put("CFItems.1", "x"), "$.CFItems[1]", '"x"', "must be an object"),
    "no hierarchy code": (
        put("CFDefinitions.CFSubjects.0.hierarchyCode", None),
        "$.CFDefinitions.CFSubjects[0].hierarchyCode",
        None,
        "missing or empty",
    ),
    "subject": (
        put("CFItems.2.subjectURI.0.identifier", "art"),
        "$.CFItems[2].subjectURI[0].identifier",
        "art",
        "not a UUID",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_told_with_its_path(conn: psycopg.Connection, tmp_path: Path, fault: str) -> None:
    spoil, path, value, words = FAULTS[fault]
    package = small_package()
    spoil(package)
    (tmp_path / "good.json").write_text(json.dumps(small_package()))
    (tmp_path / "spoiled.json").write_text(json.dumps(package))
    error = refused(conn, tmp_path, "case")
    assert [(p.file, p.column, p.value) for p in error.problems] == [("spoiled.json", path, value)]
    assert words in str(error)
    str(error).encode()


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b'{"CFDocument": {\n"title": }', 2, "column 10"),
        (b"", 1, "not JSON"),
        (b'{"CFDocument":\n"\xe9"}', 2, "not UTF-8"),
        (b"[" * 100_000, None, "nested too deep"),
        (b"[]", None, "not a CFPackage"),
    ],
)
def test_file_that_is_no_json(
    conn: psycopg.Connection, tmp_path: Path, data: bytes, line: int | None, words: str
) -> None:
    (tmp_path / "x.json").write_bytes(data)
    error = refused(conn, tmp_path / "x.json", "case")
    assert [(p.file, p.line) for p in error.problems] == [("x.json", line)]
    assert words in str(error)


def test_byte_order_mark(conn: psycopg.Connection, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(small_package()).encode())
    assert load("case", tmp_path / "x.json", connection=conn).changes


def test_nothing_to_read(conn: psycopg.Connection, tmp_path: Path) -> None:
    assert "no file named *.json" in str(refused(conn, tmp_path, "case"))
    assert "no such file" in str(refused(conn, tmp_path / "x.json", "case"))


GRADES = "Rank,Code,Title,UUID\n1,KG,Kindergarten,{a}\n2,01,First grade,{b}\n".format(
    a="00000000-0000-4000-8000-00000000000A", b="00000000-0000-4000-8000-000000000001"
)


def test_grades(conn: psycopg.Connection, tmp_path: Path) -> None:
    """The levels exchange places with those that are there."""
    path = tmp_path / "grades.csv"
    path.write_text(GRADES + "3,02,Second grade,00000000-0000-4000-8000-000000000002\n")
    query = "select order_number, grade_primary_identifier, label from placement_grade order by 1"
    found = [(1, "KG", "Kindergarten"), (2, "01", "First grade"), (3, "02", "Second grade")]
    for expected in ({"placement_grade": (1, 2, 0, 0, 0)}, {"placement_grade": (0, 0, 3, 0, 0)}):
        assert counts(load("grades", path, connection=conn)) == expected
        assert conn.execute(query).fetchall() == found


def test_grades_without_ids(conn: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "grades.csv"
    path.write_text("Title,Code,Rank\nInfants,IT,7\n")
    load("grades", path, connection=conn)
    row = conn.execute("select id::text from placement_grade where order_number = 7").fetchone()
    assert row == (derived_id("grade", "IT"),)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("x,03,Third,", (4, "Rank", "x")),
        ("9,03,,", (4, "Title", None)),
        ("2,03,Third,", (4, "Rank", "2")),
        ("9,KG,Again,", (4, "Code", "KG")),
        ("9,03,Third,abc", (4, "UUID", "abc")),
        # of the level that the database has already
        ("9,02,Second,00000000-0000-4000-8000-0000000000ff", (4, "Code", "02")),
    ],
)
def test_grades_that_cannot_be(
    conn: psycopg.Connection, tmp_path: Path, line: str, place: tuple[int, str, str | None]
) -> None:
    path = tmp_path / "grades.csv"
    path.write_text(GRADES + line + "\n")
    with pytest.raises(LoadError) as caught:
        load("grades", path, connection=conn)
    assert place in [(problem.line, problem.column, problem.value) for problem in caught.value.problems]


def test_case_as_the_platform_serves_it(conn: psycopg.Connection, tmp_path: Path) -> None:
    """With sourcedId for identifier."""
    package = {
        "sourcedId": DOCUMENT,
        "CFDocument": {"sourcedId": DOCUMENT, "title": "Framework"},
        "CFItems": [
            {"sourcedId": item_id(1).upper(), "fullStatement": "Counts", "humanCodingScheme": "MATH.1"}
        ],
        "CFAssociations": [],
    }
    path = tmp_path / "case.json"
    path.write_text(json.dumps(package))
    load("case", path, connection=conn)
    assert conn.execute("select identifier::text, cf_document_id::text from cf_item").fetchall() == [
        (item_id(1), DOCUMENT)
    ]
    package["CFItems"][0]["sourcedId"] = "x"
    path.write_text(json.dumps(package))
    assert "$.CFItems[0].sourcedId" in str(refused(conn, path, "case"))
