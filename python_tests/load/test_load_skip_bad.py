"""Bad records do not hold back good ones when the user says so; what was left out is told one by one."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from load_helpers import contents
from roster_bundles import Bundle, small_bundle, written

from timeback_analytics.cli import main
from timeback_analytics.errors import TimebackError
from timeback_analytics.load import LoadError, load
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer


def large_bundle(version: str) -> Bundle:
    """The small bundle with 300 students more, each in the class."""
    bundle = small_bundle(version)
    for number in range(300):
        student = bundle["users"][1] | {
            "sourcedId": f"u{number}",
            "email": f"u{number}@example.org",
            "givenName": f"N{number}",
        }
        if version == "1.1":
            student["role"] = "student"
        else:
            bundle["roles"].append(
                bundle["roles"][0] | {"sourcedId": f"ru{number}", "userSourcedId": f"u{number}"}
            )
        bundle["users"].append(student)
        bundle["enrollments"].append(
            bundle["enrollments"][0] | {"sourcedId": f"eu{number}", "userSourcedId": f"u{number}"}
        )
    return bundle


def spoiled(version: str) -> tuple[Bundle, Bundle, list[tuple[str, int, str, str]]]:
    """A bundle with bad records, the same without them, and where each bad record is."""
    bad, good = large_bundle(version), large_bundle(version)
    places = []

    def spoil(file: str, sourced_id: str, column: str, value: str) -> None:
        number = next(n for n, record in enumerate(bad[file]) if record["sourcedId"] == sourced_id)
        bad[file][number][column] = value
        places.append((file, number + 2, column, value))
        good[file] = [record for record in good[file] if record["sourcedId"] != sourced_id]

    def follow(file: str, sourced_id: str, column: str, value: str) -> None:
        number = next(n for n, record in enumerate(bad[file]) if record["sourcedId"] == sourced_id)
        places.append((file, number + 2, column, value))
        good[file] = [record for record in good[file] if record["sourcedId"] != sourced_id]

    spoil("users", "u7", "enabledUser", "perhaps")
    # what needs the user goes too; what only mentions one does not
    follow("enrollments", "eu7", "userSourcedId", "u7")
    if version == "1.2":
        follow("roles", "ru7", "userSourcedId", "u7")
    bad["users"][0]["agentSourcedIds"] += ",u7"
    spoil("enrollments", "eu20", "beginDate", "soon")
    spoil("enrollments", "eu30", "classSourcedId", "k9")
    # of two with an id the first is kept
    bad["enrollments"].append(bad["enrollments"][0] | {"role": "teacher"})
    places.append(
        ("enrollments", len(bad["enrollments"]) + 1, "sourcedId", bad["enrollments"][0]["sourcedId"])
    )
    return bad, good, places


def without_times(conn: psycopg.Connection) -> dict[str, list[Any]]:
    """Every row, without the time of the load."""
    tables = [table for table, rows in contents(conn).items() if rows]
    found = {}
    for table in tables:
        query = (
            f"select (to_jsonb(t) - 'date_created' - 'date_last_modified')::text from {table} t order by 1"
        )
        found[table] = conn.execute(query).fetchall()
    return found


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_rest_is_loaded(conn: psycopg.Connection, tmp_path: Path, version: str) -> None:
    bad, good, places = spoiled(version)
    folder = written(tmp_path / "bad", version, bad)
    with conn.transaction(force_rollback=True):
        load("oneroster", written(tmp_path / "good", version, good), connection=conn)
        expected = without_times(conn)
    before = contents(conn)
    with pytest.raises(LoadError):
        load("oneroster", folder, connection=conn)
    assert contents(conn) == before
    file = tmp_path / "problems.csv"
    report = load("oneroster", folder, connection=conn, skip_bad=True, problems_file=file)
    assert without_times(conn) == expected
    assert report.skipped == len(places)
    with file.open(newline="") as opened:
        told = list(csv.DictReader(opened))
    assert sorted((row["file"], int(row["line"]), row["column"], row["value"]) for row in told) == sorted(
        (f"{name}.csv", line, column, value) for name, line, column, value in places
    )
    assert all(row["reason"] for row in told)
    # the agent who is not there is told, and keeps nobody out
    assert any("agentSourcedIds: 1 reference" in note for note in report.notes)
    assert load("oneroster", folder, connection=conn, skip_bad=True).changes == 0


def test_too_many_are_too_many(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = large_bundle("1.2")
    for record in bundle["enrollments"][:12]:
        record["role"] = "pupil"
    folder = written(tmp_path / "bundle", "1.2", bundle)
    before = contents(conn)
    with pytest.raises(LoadError) as caught:
        load("oneroster", folder, connection=conn, skip_bad=True)
    # 2 organizations, a course, a class, 303 users, 303 roles and 302 enrollments
    assert "Of 912 records 12 cannot be loaded (1.32%)" in str(caught.value)
    assert "--skip-limit" in str(caught.value)
    assert contents(conn) == before
    assert load("oneroster", folder, connection=conn, skip_bad=True, skip_limit=2).skipped == 12


def test_what_is_not_a_record_is_never_skipped(conn: psycopg.Connection, tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", "1.2", large_bundle("1.2"))
    users = folder / "users.csv"
    users.write_bytes(users.read_bytes().replace(b"enabledUser", b"enabled"))
    with pytest.raises(LoadError, match="column is missing"):
        load("oneroster", folder, connection=conn, skip_bad=True, skip_limit=100)
    users.unlink()
    with pytest.raises(LoadError, match=r"no users\.csv"):
        load("oneroster", folder, connection=conn, skip_bad=True, skip_limit=100)


def test_a_file_of_bad_records_alone(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = large_bundle("1.1")
    bundle["classes"][0]["classType"] = "odd"
    bundle["enrollments"] = []
    folder = written(tmp_path / "bundle", "1.1", bundle)
    with pytest.raises(LoadError, match=r"Not one record of classes\.csv"):
        load("oneroster", folder, connection=conn, skip_bad=True)


def test_list_of_problems_that_cannot_be_written(conn: psycopg.Connection, tmp_path: Path) -> None:
    """Nothing is loaded without it."""
    bad, _, _ = spoiled("1.1")
    before = contents(conn)
    with pytest.raises(LoadError, match="cannot be written there"):
        load(
            "oneroster",
            written(tmp_path / "bad", "1.1", bad),
            connection=conn,
            skip_bad=True,
            problems_file=tmp_path / "no folder" / "x.csv",
        )
    assert contents(conn) == before


def test_options_that_make_no_sense(conn: psycopg.Connection, tmp_path: Path) -> None:
    for options in (
        {"skip_limit": 101},
        {"max_loss": -1},
        {"encoding": "klingon"},
        {"source": " x"},
        {"odd": 1},
    ):
        with pytest.raises(TimebackError):
            load("oneroster", tmp_path, connection=conn, **options)
    with pytest.raises(TimebackError, match="no use for --collection"):
        load("oneroster", tmp_path, connection=conn, collection="users")


@pytest.fixture
def run(
    embedded_server: EmbeddedServer,
    new_database: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., Any]:
    """Run timeback load in a folder of the test's own."""
    name = new_database("load_skip")
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        create_operational_schema(conn, "operational")
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *words: CliRunner().invoke(main, ["load", "oneroster", *map(str, words)])


def test_command(run: Callable[..., Any], tmp_path: Path) -> None:
    bad, _, places = spoiled("1.2")
    folder = written(tmp_path / "north", "1.2", bad)
    refused = run(folder)
    assert refused.exit_code == 1
    assert not list(Path().iterdir())
    result = run(folder, "--skip-bad")
    assert result.exit_code == 3, result.output
    assert f"north.problems.csv: {len(places)} records" in result.output
    assert len(Path("north.problems.csv").read_text().splitlines()) == len(places) + 1
    again = run(folder, "--skip-bad", "--problems", "other.csv")
    assert again.exit_code == 3
    assert "Nothing to do" in again.output
    assert sorted(path.name for path in Path().iterdir()) == ["north.problems.csv", "other.csv"]


def test_command_shows_60_000_equal_lines_as_one(run: Callable[..., Any], tmp_path: Path) -> None:
    bundle = small_bundle("1.1")
    bundle["orgs"] += [{"sourcedId": f"x{n}", "name": "x", "type": "skool"} for n in range(60_000)]
    result = run(written(tmp_path / "many", "1.1", bundle))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert len([line for line in lines if line.startswith("  orgs.csv")]) == 1
    assert "(60,000 times, the last on line 60003)" in result.output
    assert lines[-1] == "All of it is in many.problems.csv."
    assert len(Path("many.problems.csv").read_text().splitlines()) == 60_001
