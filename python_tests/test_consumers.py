"""timeback consumer: another dbt project on the catalog builds, tests, and keeps the scope in its marts."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner
from dbt.cli.main import dbtRunner

from conftest import ROOT
from small_project import SmallProject
from timeback_analytics.cli import main
from timeback_analytics.server import EmbeddedServer

BUILDER, READER = "consumers_builder", "consumers_reader"
NORTH, SOUTH = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
ORG = "('00000000-0000-4000-8000-00000000000' || thing.id)::uuid"
IN_SCOPE = (
    "cross join {{{{ ref('int_caller_scope') }}}} as scope where scope.is_everyone or {} = any(scope.org_ids)"
)
UNIT_TEST = {
    "unit_tests": [
        {
            "name": "arrays_are_taken",
            "model": "student_orgs",
            "given": [
                {
                    "input": "source('timeback', 'students')",
                    "rows": [{"id": NORTH, "org_ids": f"{{{NORTH},{SOUTH}}}"}],
                }
            ],
            "expect": {"rows": [{"id": NORTH, "first_org": NORTH}]},
        }
    ]
}


@pytest.fixture
def database(
    embedded_server: EmbeddedServer,
    new_database: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[psycopg.Connection]:
    """A small catalog of two students of two schools, and a builder as docs/consumers.md makes it."""
    name = new_database("consumers")
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", name)
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute(
            """create schema operational;
            create table operational.thing (id int, name text, seen_at timestamptz default now());
            insert into operational.thing (id, name) values (1, 'Ada'), (2, 'Ben')"""
        )
        project = SmallProject(tmp_path / "catalog")
        project.internal("int_thing", "select id, name from {{ source('operational', 'thing') }}")
        project.dataset(
            "students",
            f"select {ORG} as id, name, array[{ORG}] as org_ids from {{{{ ref('int_thing') }}}} as thing "
            + IN_SCOPE.format(ORG),
            {"id": "uuid", "name": "text", "org_ids": "uuid[]"},
            grain=["id"],
            scope="id",
        )
        project.dataset(
            "visits",
            f"select {ORG} as student_id, 1 as number, 10 as minutes "
            "from {{ ref('int_thing') }} as thing " + IN_SCOPE.format(ORG),
            {"student_id": "uuid", "number": "integer", "minutes": "integer"},
            grain=["student_id", "number"],
            scope="student_id",
            joins={"student_id": "students.id"},
        )
        project.run()
        conn.execute(f"create role {BUILDER} login in role timeback_reader, timeback_unrestricted")
        conn.execute(f"create role {READER} login in role timeback_reader")
        conn.execute(f"grant create on database {name} to {BUILDER}")
        conn.execute(f"alter role {BUILDER} in database {name} set app.allowed_org_ids = '*'")
        for variable, value in (
            ("HOST", str(embedded_server.socket_dir)),
            ("USER", BUILDER),
            ("DATABASE", name),
        ):
            monkeypatch.setenv(f"PG{variable}", value)
        yield conn
        for role in (BUILDER, READER):
            conn.execute(f"drop owned by {role} cascade; drop role {role}")


def page_example() -> str:
    """The scoped mart of docs/consumers.md."""
    page = (ROOT / "docs" / "consumers.md").read_text(encoding="utf-8")
    return re.search(r"```sql\n-- models/marts/minutes_by_student\.sql[^\n]*\n(.*?)```", page, re.DOTALL)[1]


@pytest.fixture
def marts(database: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another dbt project, with what `timeback consumer` writes into it."""
    folder = tmp_path / "marts"
    models = folder / "models" / "marts"
    models.mkdir(parents=True)
    settings = {"name": "marts", "version": "1.0.0", "profile": "timeback_analytics"}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    (folder / "profiles.yml").write_bytes((ROOT / "profiles.yml.example").read_bytes())
    (models / "minutes_by_student_stored.sql").write_text(
        "{{ config(materialized='table') }} select student_id, sum(minutes) as minutes "
        "from {{ source('timeback', 'visits') }} group by student_id"
    )
    (models / "minutes_by_student.sql").write_text(page_example())
    (models / "student_orgs.sql").write_text(
        "select id, org_ids[1] as first_org from {{ source('timeback', 'students') }}"
    )
    (models / "unit_tests.yml").write_text(yaml.safe_dump(UNIT_TEST))
    manifest = tmp_path / "catalog" / "target" / "manifest.json"
    line = ["consumer", str(folder), "--manifest", str(manifest), "--semantic", "students"]
    done = CliRunner().invoke(main, [*line, "--semantic", "visits"])
    assert done.exit_code == 0, done.output
    monkeypatch.setenv("TIMEBACK_SCHEMA", "marts")
    return folder


def dbt(folder: Path, *command: str) -> dict[str, str]:
    """A dbt command of the other project, as the builder: {node: status} of what ran."""
    where = ("--project-dir", str(folder), "--profiles-dir", str(folder), "--target", "server")
    done: Any = dbtRunner().invoke(["--quiet", "--log-level", "none", *command, *where])
    assert done.exception is None, done.exception
    return {one.node.name: str(one.status) for one in done.result.results}


def test_another_project_builds_tests_and_keeps_the_scope(
    database: psycopg.Connection, marts: Path, tmp_path: Path
) -> None:
    built = dbt(marts, "build")
    assert set(built.values()) == {"success", "pass"}, built
    rows = "source_timeback_rows_are_visible_timeback_students_"
    grain = next(name for name in built if name.startswith("source_timeback_unique_grain"))
    assert {rows, "arrays_are_taken", "source_unique_timeback_students_id", grain} <= built.keys()
    manifest = json.loads((marts / "target" / "manifest.json").read_text())
    sources = manifest["sources"]
    assert sources["source.marts.timeback.students"]["columns"]["id"]["tags"] == ["primary_key"]
    entities = manifest["semantic_models"]["semantic_model.marts.timeback__visits"]["entities"]
    assert [(one["name"], one["type"]) for one in entities] == [
        ("visits", "primary"),
        ("student_id_of_students", "foreign"),
    ]
    database.execute(
        f"grant usage on schema marts to {READER}; grant select on marts.minutes_by_student to {READER};"
        "create function public.tell(uuid) returns boolean language plpgsql cost 0.0001 as "
        "$$ begin raise notice '%', $1; return true; end $$"
    )
    told: list[str] = []
    database.add_notice_handler(lambda notice: told.append(notice.message_primary))
    database.execute(f"set role {READER}; set app.allowed_org_ids = '{NORTH}'")
    seen = database.execute("select * from marts.minutes_by_student where public.tell(student_id)").fetchall()
    database.execute("reset role; reset app.allowed_org_ids")
    assert [(str(student), minutes) for student, minutes in seen] == [(NORTH, 10)]
    # nor does a predicate of the reader's see a row of the table before the join
    assert set(told) == {NORTH}

    # a builder that lost its setting: every test passes on empty marts but this one
    database.execute(f"alter role {BUILDER} in database consumers reset app.allowed_org_ids")
    tested = dbt(marts, "test", "--select", "source:timeback")
    assert {name for name, status in tested.items() if status != "pass"} == {rows}

    # a file of the project's own is left
    own = marts / "models" / "timeback" / "_timeback__sources.yml"
    own.write_text("version: 2\n")
    line = ["--manifest", str(tmp_path / "catalog" / "target" / "manifest.json")]
    refused = CliRunner().invoke(main, ["consumer", str(marts), *line])
    assert refused.exit_code == 1 and "is the project's own. Nothing was written" in refused.output
    assert own.read_text() == "version: 2\n"
    refused = CliRunner().invoke(main, ["consumer", str(tmp_path), *line])
    assert refused.exit_code == 1 and "is not a dbt project" in refused.output
