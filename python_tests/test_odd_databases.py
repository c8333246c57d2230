"""Databases that are set up in another way than PostgreSQL sets one up: encodings, and settings of their own.

Other programs of a school may need these. Ours go by PostgreSQL's defaults in their own sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from older_server import OlderServer
from small_project import SmallProject
from timeback_analytics.artifacts import read_json
from timeback_analytics.checkpoint import Checkpoint
from timeback_analytics.cli import main
from timeback_analytics.connection import connect
from timeback_analytics.promises import suites

DATABASE = "odd_databases"
NAME = "Łucja 王芳"
SEEN = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
SETTINGS = {
    "default_transaction_isolation": "'serializable'",
    "datestyle": "'SQL, DMY'",
    "intervalstyle": "iso_8601",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "jit": "on",
    "search_path": "operational",
}
COLUMNS = {"id": "integer", "name": "text", "seen_at": "timestamptz"}
# several sessions of dbt's deploy these at a time
MODELS = [f"int_thing_{number}" for number in range(24)]


@pytest.fixture(scope="module")
def project(older_server: OlderServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallProject]:
    """Deployed to a database that knows no encoding, with every setting that is not the default."""
    with psycopg.connect(older_server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(f"create database {DATABASE} template template0 encoding 'SQL_ASCII' locale 'C'")
        for name, value in SETTINGS.items():
            conn.execute(f"alter database {DATABASE} set {name} = {value}")
    with psycopg.connect(older_server.dsn(DATABASE), client_encoding="utf8", autocommit=True) as conn:
        conn.execute("create schema operational")
        conn.execute("create table operational.thing (id int, name text, seen_at timestamptz)")
        conn.execute("insert into operational.thing values (1, %s, %s)", [NAME, SEEN])
    made = SmallProject(tmp_path_factory.mktemp("project"))
    for name in MODELS:
        made.internal(name, "select id, name, seen_at from {{ source('operational', 'thing') }}")
    made.dataset(
        "things",
        f"select id, name, seen_at from {{{{ ref('{MODELS[-1]}') }}}}",
        COLUMNS,
        description=f"Things, as {NAME} calls them.",
        tests={"name": ["not_null"]},
    )
    # a union, which the audit looks into
    made.dataset(
        "scoped_things",
        f"with thing as (select id from {{{{ ref('{MODELS[0]}') }}}}) "
        "select thing.id from thing cross join {{ ref('int_caller_scope') }} as scope "
        "where scope.is_everyone union all select thing.id from thing where false",
        {"id": "integer"},
        scope="person",
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(older_server.socket_dir))
        monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", DATABASE)
        monkeypatch.delenv("TIMEBACK_SCHEMA", raising=False)
        try:
            made.run()
            yield made
        finally:
            with psycopg.connect(older_server.dsn("postgres"), autocommit=True) as conn:
                conn.execute(f"drop database {DATABASE} with (force)")


def timeback(*arguments: str | Path) -> Result:
    """`timeback *arguments`, of that database."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_deploy_goes_through_and_the_next_one_has_nothing_to_do(project: SmallProject) -> None:
    assert set(project.run().values()) == {"unchanged"}, project.text
    assert project.dbt("test").success, project.text
    with connect("embedded") as conn:
        (described,) = conn.execute("select obj_description('analytics.things'::regclass)").fetchone()
    assert described == f"Things, as {NAME} calls them."


def test_our_sessions_read_names_and_times(project: SmallProject) -> None:
    with connect("embedded") as conn:
        found = conn.execute("select name, seen_at, now() - now() from analytics.things").fetchone()
    assert found[:2] == (NAME, SEEN) and not found[2]


def test_the_audit_finds_nothing(project: SmallProject) -> None:
    done = timeback("audit", "--manifest", project.folder / "target" / "manifest.json")
    assert done.exit_code == 0 and "no finding" in done.output, done.output


def test_what_depends_on_a_column_is_said(project: SmallProject) -> None:
    told = timeback("release", "thing", "--column", "name")
    assert f"column name of operational.thing: {len(MODELS) + 2};" in told.output, told.output


def test_the_check_reads_the_datasets(older_server: OlderServer, project: SmallProject) -> None:
    manifest = read_json(project.folder / "target" / "manifest.json", made_by="dbt run")
    checkpoint = Checkpoint(older_server.dsn(DATABASE), "analytics", "*")
    try:
        outcomes = [outcome for suite in suites(manifest, "analytics") for outcome in checkpoint.run(suite)]
    finally:
        checkpoint.close()
    assert {outcome.rule.name for outcome in outcomes} >= {"columns", "types", "never null"}
    assert [outcome for outcome in outcomes if not outcome.passed] == []
