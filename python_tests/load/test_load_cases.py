"""Bundles as people export them, with the right result of each: cases/oneroster.yml has the files."""

import base64
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from load_helpers import contents, refused
from roster_bundles import row_id

from timeback_analytics.load import LoadError, load

_FILE = Path(__file__).parent / "cases" / "oneroster.yml"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def cases() -> dict[str, Any]:
    with _FILE.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=_LOADER)


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str], Path]:
    """Write the bundle of a case."""

    def write(name: str) -> Path:
        said = cases()[name]
        if name.startswith("base"):
            said = {"base": name}
        files = cases()[said["base"]] | said.get("files", {})
        for path, data in files.items():
            if path not in said.get("missing", ()):
                target = tmp_path / name / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(
                    data.encode() if isinstance(data, str) else base64.b64decode(data["base64"])
                )
        return tmp_path / name

    return write


# What is refused: where the first problem is, and words of it.
REFUSED: dict[str, tuple[str, int | None, str | None, str]] = {
    "b3": ("orgs.csv", 3, "name", "empty"),
    "b8": ("users.csv", 3, "role", "empty"),
    **dict.fromkeys(
        ("bd1", "bd3", "bd4", "bd8", "bd10", "bd11", "bd12"), ("enrollments.csv", 2, "beginDate", "date")
    ),
    "cp1252": ("users.csv", 3, None, "'e,S1,student,stu,,Zoë,Pupil,,,bob@exampl'. Save it as UTF-8"),
    "ct1": ("classes.csv", 2, "classType", "homeroom, scheduled"),
    "ct4": ("classes.csv", 2, "classType", "empty"),
    "d1": ("users.csv", 5, "sourcedId", "line 2 has the same"),
    "d4": ("orgs.csv", 5, "sourcedId", "line 4 has the same"),
    "d6": ("enrollments.csv", 3, "sourcedId", "empty"),
    "d7": (
        "enrollments.csv",
        1,
        "sourcedId",
        "The header, separated by commas, has classSourcedId, schoolSourcedId, userSourcedId, role.",
    ),
    **{
        f"dlm{number}": ("orgs.csv", 2, "dateLastModified", "not a timestamp")
        for number in (6, 7, 8, 9, 10, 11, 13)
    },
    "dlm12": ("orgs.csv", 2, "dateLastModified", "no such time"),
    "e4": ("enrollments.csv", 1, None, "not even a header"),
    **{f"en{number}": ("users.csv", 3, "enabledUser", "neither true nor false") for number in (3, 4, 5)},
    "f10": ("manifest.csv", 1, "propertyName", "capitals matter"),
    "f16": ("manifest.csv", None, None, "file.orgs is not listed"),
    "f2": ("classes.csv", 2, "courseSourcedId", "no such course"),
    "f20": ("manifest.csv", None, None, "manifest.version is missing"),
    "f3": ("manifest.csv", 8, "value", "There is: academicSessions.csv, classes.csv, enrollments.csv"),
    "f5": ("manifest.csv", None, None, "enrollments.csv, orgs.csv, users.csv here.*--version"),
    "f6": ("manifest.csv", None, None, "file.courses is not listed"),
    "f7": ("manifest.csv", 8, "value", "file.courses is absent"),
    "hdrcase": ("users.csv", 1, "sourcedId", "Rename it to sourcedId"),
    "hdrlower": ("users.csv", 1, "sourcedId", "Rename it to sourcedId"),
    "hdrmissing": (
        "users.csv",
        1,
        None,
        "'T1,,,true.*separated by commas.*must be a header, with sourcedId",
    ),
    **dict.fromkeys(
        ("mv1", "mv2", "mv3"), ("users.csv", 2, "orgSourcedIds", "no such organization.*Lists take commas")
    ),
    "org0": ("users.csv", 4, "orgSourcedIds", "empty"),
    **{f"ot{number}": ("orgs.csv", 3, "type", "not one of the values") for number in (1, 3, 4, 5, 6)},
    "ot8": ("orgs.csv", 3, "type", "empty"),
    **{f"pr{number}": ("enrollments.csv", 3, "primary", "neither") for number in range(4)},
    "r1": ("enrollments.csv", 2, "userSourcedId", "no such user"),
    "r4": ("users.csv", 3, "agentSourcedIds", "own agent"),
    "r6": ("courses.csv", 2, "orgSourcedId", "no such organization"),
    **{f"role{number}": ("users.csv", 2, "role", "not one of the values") for number in (4, 5, 10, 14, 15)},
    "role16": ("users.csv", 2, "role", "empty"),
    "smartquote": ("users.csv", 3, None, "has 19 values"),
    "spacequote": ("users.csv", 3, "status", "not one of"),
    "st5": ("users.csv", 3, "status", "not one of"),
    "v1": ("roles.csv", 2, "userSourcedId", "no such user"),
    "v2": ("roles.csv", 2, "roleType", "empty"),
    "v3": ("manifest.csv", None, None, "nobody has a role"),
    "v9": ("manifest.csv", 19, "value", "no roles.csv"),
}
# What loads, just as its base does, with nothing to be told.
PLAIN = [
    "base11", "base12", "b7", "blank", "bom", "c1", "c2", "crlf", "ct0", "ct2", "d3", "distA", "distB",
    "dl0", "dl7", "dm", "e1", "e5", "em2", "f17", "f18", "f19", "f4", "g_01", "hdrorder", "hdrquoted",
    "hdrspaces", "ls", "macfolder", "mv5", "mv6", "nested", "noenr", "nonl", "ot0", "quotednl", "role0",
    "role1", "role11", "role6", "role7", "role8", "role9", "rs0", "sci", "st3", "st7", "trailcomma",
    "v5", "v7", "v8", "f8", "dlm4", "fnameup", "mname", "gz", "semicolon", "tab", "eu", "spacesline",
    "trailcommarows", "utf16nobom",
]  # fmt: skip
# What loads, with a note that has these words.
NOTED = {
    "v4": "manifest.csv says bulk of roles.csv, which is missing; it is not needed",
    "hs2": "orgs.csv has no column parentSourcedId, but one named 'parentSourceId'",
    "hs3": "orgs.csv has no column dateLastModified, but one named 'dataLastModified'",
    "hs5": "enrollments.csv has no column beginDate, but one named 'startDate'",
    "em1": "1 user has the address of one before them .* line 4: 'bob@example.org', as on line 3",
    "r2": "classes.csv, column termSourcedIds: 1 reference leads to no academic session .* line 2: 'Y99'",
    "r3": "users.csv, column agentSourcedIds: 1 reference leads to no user .* line 3: 'G9'",
    "r5": "academicSessions.csv, column parentSourcedId: 1 reference .* line 2: 'XX'",
    "v6": "users.csv, column primaryOrgSourcedId: 2 references lead to no organization .* line 2: 'S9'",
    "c4": "orgs.csv, column parentSourcedId: 1 reference leads to no organization .* line 2: '0'",
    "bd6": "1 values of column beginDate in enrollments.csv are times, of which the day was taken",
    "bd7": "1 values of column beginDate in enrollments.csv are times, of which the day was taken",
    "sc1": "1 classes have another number of subjectCodes .* line 2: 3 subjects, 2 codes",
    "sc2": "1 classes have another number of subjectCodes .* line 2: 2 subjects, 1 codes",
    **{f"g_{grade}": f"not CEDS codes were left out: '{grade}'" for grade in ("00", "0", "-1")},
    **{
        f"g_{grade}": f"placement_grade does not have were left out: '{code}'"
        for grade, code in {
            "K": "KG",
            "KG": "KG",
            "09": "09",
            "9": "09",
            "13": "13",
            "AS": "AS",
            "OT": "OT",
            "Other": "OT",
            "PS": "PS",
            "UG": "UG",
        }.items()
    },
}
SPECIAL = {"emptyenr", "dl1", "dl2", "trailcommahdr", "b1", "b2", "b4", "g_1st", "gr1"}


def test_every_case_is_judged() -> None:
    judged = [*REFUSED, *PLAIN, *NOTED, *SPECIAL]
    assert sorted(judged) == sorted(cases())


@pytest.mark.parametrize("name", REFUSED)
def test_refused(conn: psycopg.Connection, case: Callable[[str], Path], name: str) -> None:
    file, line, column, words = REFUSED[name]
    error = refused(conn, case(name))
    first = error.problems[0]
    assert (first.file, first.line, first.column) == (file, line, column)
    assert re.search(words, str(error))


@pytest.mark.parametrize("name", PLAIN)
def test_plain(conn: psycopg.Connection, case: Callable[[str], Path], name: str) -> None:
    report = load("oneroster", case(name), connection=conn)
    assert not report.notes
    assert report.changes
    before = contents(conn)
    assert load("oneroster", case(name), connection=conn).changes == 0
    assert contents(conn) == before


@pytest.mark.parametrize("name", NOTED)
def test_noted(conn: psycopg.Connection, case: Callable[[str], Path], name: str) -> None:
    report = load("oneroster", case(name), connection=conn)
    (note,) = report.notes
    assert re.search(NOTED[name], note)
    assert load("oneroster", case(name), connection=conn).changes == 0


def one(conn: psycopg.Connection, query: str, *ids: str) -> tuple[Any, ...] | None:
    return conn.execute(query, ids).fetchone()


@pytest.mark.parametrize(
    ("name", "query", "expected"),
    [
        ("b1", "select title, class_code from one_roster_class", (None, "M1-1")),
        ("b2", "select title, course_code from one_roster_course", (None, "M1")),
        ("b4", "select course_id, title from one_roster_class", (None, "Math 1")),
        ("c4", "select count(parent_id), count(*) from one_roster_organization", (1, 2)),
        ("r3", "select count(*) from one_roster_user_agent", (1,)),
        ("em1", "select count(email), count(*) from one_roster_user", (2, 3)),
        ("bd6", "select min(begin_date)::text from one_roster_enrollment", ("2024-08-15",)),
        ("bd7", "select min(begin_date)::text from one_roster_enrollment", ("2024-08-15",)),
        ("dlm4", "select (min(date_last_modified) = '2024-08-15 07:00Z')::text from one_roster_organization",
         ("true",)),
        ("trailcommahdr", "select count(*), count(end_date) from one_roster_enrollment", (2, 2)),
        ("sc1", "select string_agg(title, '|' order by title), min(hierarchy_code) from cf_subject",
         ("Biology|Physics|Science", "Biology")),
        ("g_1st", "select grade_primary_identifier from one_roster_class_grade join placement_grade on id = "
         "placement_grade_id", ("01",)),
        ("gr1", "select count(*) from one_roster_class_grade", (2,)),
        ("semicolon", "select count(*), count(parent_id) from one_roster_organization", (2, 1)),
        ("utf16nobom", "select count(*), min(given_name) from one_roster_user", (3, "Ann")),
        ("gz", "select count(*), min(given_name) from one_roster_user", (3, "Ann")),
        ("quotednl", "select title from one_roster_class", ('Math\n1, "honors"',)),
    ],
)  # fmt: skip
def test_what_becomes_of_it(
    conn: psycopg.Connection, case: Callable[[str], Path], name: str, query: str, expected: tuple[Any, ...]
) -> None:
    load("oneroster", case(name), connection=conn)
    assert one(conn, query) == expected


def test_without_manifest_when_the_version_is_said(
    conn: psycopg.Connection, case: Callable[[str], Path]
) -> None:
    report = load("oneroster", case("f5"), connection=conn, version="1.1")
    assert "no manifest.csv" in report.notes[0]
    assert load("oneroster", case("base11"), connection=conn).changes == 0


def test_encoding_when_it_is_said(conn: psycopg.Connection, case: Callable[[str], Path]) -> None:
    load("oneroster", case("cp1252"), connection=conn, encoding="cp1252")
    assert one(conn, "select given_name from one_roster_user where email = 'bob@example.org'") == ("Zoë",)


@pytest.mark.parametrize("name", ["dl1", "dl2"])
def test_status_alone_changes_the_status_alone(
    conn: psycopg.Connection, case: Callable[[str], Path], name: str
) -> None:
    load("oneroster", case("base11"), connection=conn)
    table, person = ("one_roster_user", "P1") if name == "dl1" else ("one_roster_enrollment", "E1")
    kind = "user" if name == "dl1" else "enrollment"
    values = f"select to_jsonb(t) - 'status' - 'date_last_modified' from {table} t where id = %s"
    # the base says no date, so that its rows have the one of the load
    conn.execute(f"update {table} set date_last_modified = '2024-08-01'")
    before = one(conn, values, row_id(kind, person))
    report = load("oneroster", case(name), connection=conn)
    assert one(conn, values, row_id(kind, person)) == before
    found = conn.execute(f"select id::text, status from {table} where status <> 'active'").fetchall()
    assert found == [(row_id(kind, person), "tobedeleted")]
    assert not [note for note in report.notes if "ignored" in note]
    assert load("oneroster", case(name), connection=conn).changes == 0


def test_empty_files_do_not_end_everything(conn: psycopg.Connection, case: Callable[[str], Path]) -> None:
    load("oneroster", case("base11"), connection=conn)
    before = contents(conn)
    with pytest.raises(LoadError) as caught:
        load("oneroster", case("emptyenr"), connection=conn, whole=True)
    assert contents(conn) == before
    for words in (
        "one_roster_enrollment: 2 of 2 rows",
        "one_roster_course: 1 of 1 rows",
        "one_roster_class: 1 of 1",
        "one_roster_role: 3 of 3",
        "--max-loss",
    ):
        assert words in str(caught.value)
    load("oneroster", case("emptyenr"), connection=conn, whole=True, max_loss=100)
    assert one(conn, "select count(*) from one_roster_enrollment where status = 'tobedeleted'") == (2,)


def test_two_districts_with_the_same_ids(conn: psycopg.Connection, case: Callable[[str], Path]) -> None:
    load("oneroster", case("distA"), connection=conn)
    before = contents(conn)
    with pytest.raises(LoadError, match="3 of 3 stored rows with these ids are of others"):
        load("oneroster", case("distB"), connection=conn)
    assert contents(conn) == before
    # with a name of its own, the second stands beside the first
    load("oneroster", case("distB"), connection=conn, source="other")
    names = "select given_name from one_roster_user order by 1"
    assert [name for (name,) in conn.execute(names)] == ["Ann", "Bob", "Cy", "Di", "Max", "Zoe"]
    assert one(conn, "select count(*), count(distinct user_id) from one_roster_enrollment") == (4, 4)
    assert load("oneroster", case("distA"), connection=conn).changes == 0
    assert load("oneroster", case("distB"), connection=conn, source="other").changes == 0
    # the first is not stored a second time under another name
    with pytest.raises(LoadError, match="stored already, from a load that named no source"):
        load("oneroster", case("distA"), connection=conn, source="first")
