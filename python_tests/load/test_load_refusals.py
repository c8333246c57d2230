"""What cannot be loaded: each fault is told with its file, line, column and value, and nothing is written."""

import csv
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from load_helpers import Place, place, refused
from roster_bundles import Bundle, small_bundle, written

from timeback_analytics.load import LoadError, load
from timeback_analytics.load.problems import Problems


def change(file: str, number: int, **values: str) -> Callable[[Bundle], None]:
    def apply(bundle: Bundle) -> None:
        bundle[file][number] |= values

    return apply


def repeat(file: str, **values: str) -> Callable[[Bundle], None]:
    """Add the first record of a file once more, with other values."""

    def apply(bundle: Bundle) -> None:
        bundle[file].append(bundle[file][0] | values)

    return apply


ALICE = "11111111-1111-4111-8111-11111111111A"
# version, what is wrong, where that is told, words of the reason
FAULTS: dict[str, tuple[str, Callable[[Bundle], None], Place, str]] = {
    "organization type": (
        "1.1",
        change("orgs", 1, type="skool"),
        ("orgs.csv", 3, "type", "skool"),
        "not one of the values",
    ),
    "organization without name": ("1.1", change("orgs", 0, name=" "), ("orgs.csv", 2, "name", None), "empty"),
    "no sourcedId": (
        "1.1",
        change("courses", 0, sourcedId=""),
        ("courses.csv", 2, "sourcedId", None),
        "empty",
    ),
    "course of an unknown organization": (
        "1.2",
        change("courses", 0, orgSourcedId="s9"),
        ("courses.csv", 2, "orgSourcedId", "s9"),
        "no such organization",
    ),
    "sourcedId twice": (
        "1.1",
        repeat("orgs", name="Copy"),
        ("orgs.csv", 4, "sourcedId", "d1"),
        "line 2 has the same",
    ),
    "sourcedId twice, in other capitals": (
        "1.1",
        lambda bundle: bundle["courses"].extend(
            {"sourcedId": written, "title": "x", "orgSourcedId": "s1"} for written in (ALICE, ALICE.lower())
        ),
        ("courses.csv", 4, "sourcedId", ALICE.lower()),
        "line 3 has the same",
    ),
    "sourcedId too long": (
        "1.1",
        repeat("courses", sourcedId="x" * 256),
        ("courses.csv", 3, "sourcedId", "x" * 256),
        "255",
    ),
    "status": ("1.1", change("users", 1, status="gone"), ("users.csv", 3, "status", "gone"), "not one of"),
    "timestamp": (
        "1.1",
        change("users", 1, dateLastModified="2025-13-01T00:00:00Z"),
        ("users.csv", 3, "dateLastModified", "2025-13-01T00:00:00Z"),
        "no such time",
    ),
    "timestamp of another form": (
        "1.1",
        change("users", 1, dateLastModified="10/1/2025"),
        ("users.csv", 3, "dateLastModified", "10/1/2025"),
        "not a timestamp",
    ),
    "enabledUser": (
        "1.2",
        change("users", 2, enabledUser="yes"),
        ("users.csv", 4, "enabledUser", "yes"),
        "true",
    ),
    "user of an unknown organization": (
        "1.1",
        change("users", 0, orgSourcedIds="s1,s9"),
        ("users.csv", 2, "orgSourcedIds", "s9"),
        "no such organization",
    ),
    "user without organization": (
        "1.1",
        change("users", 0, orgSourcedIds=" , "),
        ("users.csv", 2, "orgSourcedIds", " , "),
        "nothing between",
    ),
    "unknown role": (
        "1.1",
        change("users", 0, role="pupil"),
        ("users.csv", 2, "role", "pupil"),
        "not one of",
    ),
    "own agent": (
        "1.1",
        change("users", 0, agentSourcedIds="ada"),
        ("users.csv", 2, "agentSourcedIds", "ada"),
        "own agent",
    ),
    "agent without role": (
        "1.2",
        lambda bundle: bundle["roles"].pop(2),
        ("users.csv", 2, "agentSourcedIds", "byron"),
        "no role",
    ),
    "role of an unknown user": (
        "1.2",
        repeat("roles", sourcedId="r9", userSourcedId="x"),
        ("roles.csv", 5, "userSourcedId", "x"),
        "no such user",
    ),
    "role type": (
        "1.2",
        change("roles", 0, roleType="main"),
        ("roles.csv", 2, "roleType", "main"),
        "primary, secondary",
    ),
    "role date": (
        "1.2",
        change("roles", 0, beginDate="2025-02-30"),
        ("roles.csv", 2, "beginDate", "2025-02-30"),
        "no such date",
    ),
    "class type": (
        "1.1",
        change("classes", 0, classType="ext:"),
        ("classes.csv", 2, "classType", "ext:"),
        "not one of",
    ),
    "class of an unknown course": (
        "1.2",
        change("classes", 0, courseSourcedId="c9"),
        ("classes.csv", 2, "courseSourcedId", "c9"),
        "no such course",
    ),
    "class of an unknown school": (
        "1.1",
        change("classes", 0, schoolSourcedId="s9"),
        ("classes.csv", 2, "schoolSourcedId", "s9"),
        "no such organization",
    ),
    "enrollment of an unknown user": (
        "1.1",
        change("enrollments", 1, userSourcedId="nobody"),
        ("enrollments.csv", 3, "userSourcedId", "nobody"),
        "no such user",
    ),
    "enrollment in an unknown class": (
        "1.2",
        change("enrollments", 1, classSourcedId="k9"),
        ("enrollments.csv", 3, "classSourcedId", "k9"),
        "no such class",
    ),
    "enrollment date": (
        "1.1",
        change("enrollments", 0, endDate="2026-6-10"),
        ("enrollments.csv", 2, "endDate", "2026-6-10"),
        "YYYY-MM-DD",
    ),
    "score": (
        "1.1",
        lambda bundle: bundle.update(
            results=[
                {
                    "sourcedId": "x1",
                    "lineItemSourcedId": "l1",
                    "studentSourcedId": "ada",
                    "scoreStatus": "submitted",
                    "score": "NaN",
                    "scoreDate": "2025-10-01",
                }
            ]
        ),
        ("results.csv", 2, "score", "NaN"),
        "not a number",
    ),
    "NUL": ("1.1", change("orgs", 0, name="a\0b"), ("orgs.csv", 2, "name", "a\0b"), "NUL"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault(conn: psycopg.Connection, tmp_path: Path, fault: str) -> None:
    version, spoil, where, words = FAULTS[fault]
    bundle = small_bundle(version)
    spoil(bundle)
    error = refused(conn, written(tmp_path / "bundle", version, bundle))
    assert [place(problem) for problem in error.problems] == [where]
    assert words in f"{error.problems[0].reason} {error.problems[0].remedy}"
    assert error.total == 1


def test_line_is_the_one_where_the_record_starts(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = small_bundle("1.1")
    bundle["orgs"][0]["name"] = "two\r\nlines"
    bundle["orgs"][1]["type"] = "skool"
    error = refused(conn, written(tmp_path / "bundle", "1.1", bundle))
    assert [place(problem) for problem in error.problems] == [("orgs.csv", 4, "type", "skool")]


def test_every_problem_is_found_and_equal_ones_are_one_line(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = small_bundle("1.1")
    bundle["orgs"] += [{"sourcedId": f"x{n}", "name": "x", "type": "skool"} for n in range(1500)]
    bundle["enrollments"][0]["role"] = "\x1b[31m"
    error = refused(conn, written(tmp_path / "bundle", "1.1", bundle))
    assert error.total == 1501
    assert len(error.problems) == 1000
    _, orgs, enrollments = str(error).splitlines()
    assert orgs.startswith("  orgs.csv, line 4, column type: 'skool': ")
    assert orgs.endswith(" (1,500 times, the last on line 1503)")
    assert enrollments.startswith("  enrollments.csv, line 2, column role: ")
    assert not error.all_shown
    error.save(tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [int(row["line"]) for row in found] == [*range(4, 1504), 2]
    assert {row["value"] for row in found} == {"skool", "\x1b[31m"}


def test_the_first_kinds_are_shown() -> None:
    problems = Problems()
    for number in range(25):
        problems.add("x.csv", f"reason {'i' * number}", line=number)
    with pytest.raises(LoadError) as caught:
        problems.settle("x")
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  ... and 5 more"


def test_terminal_is_not_written_to_by_values(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = small_bundle("1.1")
    bundle["enrollments"][0]["role"] = "\x1b[31mré\n" + "x" * 500
    error = refused(conn, written(tmp_path / "bundle", "1.1", bundle))
    assert r"'\x1b[31mré\n" in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 600


def test_references_are_good_when_the_database_has_them(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = small_bundle("1.1")
    rest = {"enrollments": bundle.pop("enrollments")}
    error = refused(conn, written(tmp_path / "early", "1.1", rest))
    # one problem an id, however many records refer to it
    assert sorted(place(problem)[1:] for problem in error.problems) == [
        (2, "classSourcedId", "k1"),
        (2, "schoolSourcedId", "s1"),
        (2, "userSourcedId", "ada"),
        (3, "userSourcedId", "grace"),
    ]
    assert "1 more records refer to it" in str(error)
    load("oneroster", written(tmp_path / "rest", "1.1", bundle), connection=conn)
    load("oneroster", tmp_path / "early", connection=conn)


def test_delta_says_how_and_when(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = {"orgs": [small_bundle("1.1")["orgs"][0] | {"status": "active"}]}
    error = refused(conn, written(tmp_path / "bundle", "1.1", bundle, mode="delta"))
    assert [place(problem) for problem in error.problems] == [("orgs.csv", 2, "dateLastModified", None)]


MANIFESTS: dict[str, tuple[str, dict[str, str | None], Place, str]] = {
    "version that is not known": (
        "1.1",
        {"oneroster.version": "1.3"},
        ("manifest.csv", 3, "value", "1.3"),
        "1.1 or 1.2",
    ),
    "no version": (
        "1.1",
        {"oneroster.version": None},
        ("manifest.csv", None, None, None),
        "oneroster.version",
    ),
    "version of the manifest": (
        "1.1",
        {"manifest.version": "2.0"},
        ("manifest.csv", 2, "value", "2.0"),
        "manifest.version",
    ),
    "mode": ("1.1", {"file.orgs": "full"}, ("manifest.csv", 4, "value", "full"), "absent, bulk, delta"),
    "file that is not there": (
        "1.1",
        {"file.results": "bulk"},
        ("manifest.csv", 9, "value", "bulk"),
        "no results.csv",
    ),
    "file that is said to be absent": (
        "1.1",
        {"file.orgs": "absent"},
        ("manifest.csv", 4, "value", "absent"),
        "orgs.csv is in the bundle",
    ),
    "file that is not listed": ("1.1", {"file.orgs": None}, ("manifest.csv", None, None, None), "not listed"),
    "file whose mode is blank": ("1.1", {"file.orgs": " "}, ("manifest.csv", 4, None, ""), "not listed"),
    "roles of version 1.2 in 1.1": (
        "1.2",
        {"oneroster.version": "1.1", "file.users": "absent"},
        ("manifest.csv", 9, "value", "bulk"),
        "version 1.1 has no roles.csv",
    ),
}


@pytest.mark.parametrize("fault", MANIFESTS)
def test_manifest(conn: psycopg.Connection, tmp_path: Path, fault: str) -> None:
    version, properties, where, words = MANIFESTS[fault]
    folder = written(tmp_path / "bundle", version, small_bundle(version), manifest=properties)
    if properties.get("file.users") == "absent":
        (folder / "users.csv").unlink()
    error = refused(conn, folder)
    assert place(error.problems[0]) == where
    assert words in f"{error.problems[0].reason} {error.problems[0].remedy}"


def test_a_blank_mode_of_a_file_that_is_not_there_means_absent(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    """As real exports have it, file by file."""
    blank = {f"file.{name}": "" for name in ("results", "lineItems", "categories", "courseResources")}
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"), manifest=blank)
    assert load("oneroster", folder, connection=conn).changes > 0


def test_manifest_that_contradicts_itself(conn: psycopg.Connection, tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"))
    with (folder / "manifest.csv").open("a", newline="") as manifest:
        manifest.write("file.orgs,delta\r\n")
    error = refused(conn, folder)
    assert [place(problem) for problem in error.problems] == [
        ("manifest.csv", 9, "propertyName", "file.orgs")
    ]


def test_no_manifest(conn: psycopg.Connection, tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"))
    (folder / "manifest.csv").unlink()
    assert [place(problem) for problem in refused(conn, folder).problems] == [
        ("manifest.csv", None, None, None)
    ]


def test_everybody_has_a_role(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = small_bundle("1.2")
    del bundle["roles"]
    assert "nobody has a role" in str(refused(conn, written(tmp_path / "bundle", "1.2", bundle)))


def test_missing_file_is_the_only_problem(conn: psycopg.Connection, tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"))
    (folder / "orgs.csv").unlink()
    error = refused(conn, folder)
    assert [place(problem) for problem in error.problems] == [("manifest.csv", 4, "value", "bulk")]
