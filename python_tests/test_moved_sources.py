"""A migration puts another table, or another column, in the place of one: the next run reads the new one."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from older_server import OlderServer
from small_project import SmallProject
from timeback_analytics.cli import main
from timeback_analytics.server import EmbeddedServer

DATABASE = "moved_sources"
COLUMNS = {"id": "integer", "name": "text"}

# each leaves a table operational.thing with the rows that things shows after it
MIGRATIONS = {
    "another table of the name": """
        alter table operational.thing rename to thing_before;
        create table operational.thing (id int, name text, seen_at timestamptz);
        insert into operational.thing values (7, 'new')""",
    "another schema of the name": """
        alter schema operational rename to operational_before;
        create schema operational;
        create table operational.thing (id int, name text, seen_at timestamptz);
        insert into operational.thing values (7, 'new')""",
    "another column of the name": """
        alter table operational.thing rename column name to name_before;
        alter table operational.thing add column name text default 'new';
        update operational.thing set id = 7""",
    "columns that change places": """
        alter table operational.thing rename column name to kept;
        alter table operational.thing rename column note to name;
        alter table operational.thing rename column kept to note;
        update operational.thing set id = 7""",
}


@pytest.fixture
def conn(
    either_server: EmbeddedServer | OlderServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection]:
    """A connection to a database with the operational table, on the one server and on the other."""
    with psycopg.connect(either_server.dsn("postgres"), autocommit=True) as conn:
        for role in ("timeback_reader", "timeback_unrestricted"):
            if not conn.execute("select from pg_roles where rolname = %s", [role]).rowcount:
                conn.execute(f"create role {role} nologin")
        conn.execute(f"create database {DATABASE}")
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(either_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", DATABASE)
    monkeypatch.delenv("TIMEBACK_SCHEMA", raising=False)
    try:
        with psycopg.connect(either_server.dsn(DATABASE), autocommit=True) as conn:
            conn.execute("create schema operational")
            conn.execute("create table operational.thing (id int, name text, note text, seen_at timestamptz)")
            conn.execute("insert into operational.thing values (1, 'old', 'new')")
            yield conn
    finally:
        with psycopg.connect(either_server.dsn("postgres"), autocommit=True) as conn:
            conn.execute(f"drop database {DATABASE} with (force)")


@pytest.fixture
def project(conn: psycopg.Connection, tmp_path: Path) -> SmallProject:
    """A small project, deployed. Both columns are read, so that two that change places are the same two."""
    project = SmallProject(tmp_path / "project")
    project._write(
        "models/sources.yml",
        (project.folder / "models/sources.yml")
        .read_text()
        .replace("  - data_type: text", "  - data_type: text\n      name: note\n    - data_type: text", 1),
    )
    project.internal("int_thing", "select id, name, note from {{ source('operational', 'thing') }}")
    project.dataset("things", "select id, name from {{ ref('int_thing') }}", COLUMNS)
    assert project.run()["int_thing"] == "created"
    assert project.run()["int_thing"] == "unchanged"
    return project


def moved(conn: psycopg.Connection) -> list[tuple[str, ...]]:
    return conn.execute("select * from analytics_internal.moved_sources()").fetchall()


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_the_next_run_reads_what_has_the_name_now(
    project: SmallProject, conn: psycopg.Connection, migration: str, tmp_path: Path
) -> None:
    assert moved(conn) == []
    conn.execute(MIGRATIONS[migration])
    if "note" not in {
        name
        for (name,) in conn.execute(
            "select attname::text from pg_attribute where attrelid = 'operational.thing'::regclass"
        )
    }:
        conn.execute("alter table operational.thing add column note text")
    # the audit, and the job's own look, by which nothing is deployed
    assert [view for view, _, _ in moved(conn)] == ["analytics_internal.int_thing"]
    assert project.dbt("run-operation", "check_sources").success
    assert "analytics_internal.int_thing reads operational" in project.text
    assert "was made to read operational.thing" in project.text
    assert project.run()["int_thing"] == "replaced"
    assert conn.execute("select id, name from analytics.things").fetchall() == [(7, "new")]
    assert moved(conn) == []
    assert set(project.run().values()) == {"unchanged"}
    assert project.said == [] or "reads" not in project.text


def test_the_jobs_sources_step_says_so(
    project: SmallProject, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIMEBACK_PROJECT_DIR", str(project.folder))
    monkeypatch.chdir(project.folder)
    conn.execute(MIGRATIONS["another column of the name"])
    result = CliRunner().invoke(main, ["job", "--state", str(tmp_path / "state"), "--no-check", "--no-tests"])
    assert result.exit_code == 0, result.output
    assert "1 view reads what has another name now, until the deploy" in result.output
    report = (tmp_path / "state" / "latest" / "report.json").read_text()
    assert "analytics_internal.int_thing reads operational.thing.name_before" in report
