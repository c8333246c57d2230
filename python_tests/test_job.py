"""timeback job: what it does, how it ends, and that the next one repairs what was killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from dbt_in_process import parsed_file
from small_project import SmallProject
from soak.readers import Readers
from timeback_analytics import checkpoint
from timeback_analytics.cli import main
from timeback_analytics.errors import MissingDependencyError
from timeback_analytics.job import interruption as job_interruption
from timeback_analytics.job import lock as job_lock
from timeback_analytics.job import run as job_run
from timeback_analytics.job.dbt_runs import DbtRuns, Ran
from timeback_analytics.job.lock import JobLock, is_connection_trouble
from timeback_analytics.job.outcome import Exit, Step
from timeback_analytics.job.plan import PLAN
from timeback_analytics.job.refreshes import Refreshes
from timeback_analytics.job.steps import sources as source_steps
from timeback_analytics.job.work import Work
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

DEPLOYER = "job_test_deployer"
READER = "job_test_reader"
THINGS = "select id, name from {{ ref('int_thing') }}"
COLUMNS = {"id": "integer", "name": "text"}
INT_THING = "select id, name from {{ source('operational', 'thing') }}"


LOCK = "analytics_internal.job_lock"


def take_lock(conn: psycopg.Connection, schema: str = "analytics") -> None:
    """What keeps a second job out, as another job would; it is given back by `rollback`."""
    conn.execute("set application_name = 'timeback job far-away:7'")
    conn.execute(f"create schema if not exists {schema}_internal")
    conn.execute(f"create table if not exists {schema}_internal.job_lock ()")
    conn.execute(f"begin; lock table {schema}_internal.job_lock in exclusive mode")


class Jobs:
    """Runs jobs on a small project, in this process or in one of their own."""

    def __init__(self, project: SmallProject, state: Path, database: str, server: EmbeddedServer) -> None:
        self.project = project
        self.state = state
        self.database = database
        self.server = server

    def arguments(self, *more: str) -> list[str]:
        return ["job", "--state", str(self.state), *more]

    def __call__(self, *more: str) -> Result:
        return CliRunner().invoke(main, self.arguments(*more))

    def start(self, *more: str) -> subprocess.Popen[str]:
        """A job in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "timeback_analytics.cli", *self.arguments(*more)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def connect(self, role: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.server.dsn(self.database, role), autocommit=True)

    @property
    def report(self) -> dict[str, Any]:
        """The last job's."""
        return json.loads((self.state / "latest" / "report.json").read_text())

    def step(self, name: str) -> dict[str, Any]:
        """A step of the last job."""
        (step,) = [step for step in self.report["steps"] if step["name"] == name]
        return step

    def wait_for_lock(self, view: str, process: subprocess.Popen[str] | threading.Thread) -> None:
        """Until a deploy waits for a view that somebody reads."""
        is_alive = (
            process.is_alive if isinstance(process, threading.Thread) else lambda: process.poll() is None
        )
        with self.connect() as conn:
            while not conn.execute(
                "select exists (select from pg_locks where relation = %s::regclass and not granted)", [view]
            ).fetchone()[0]:
                assert is_alive(), "the job ended before it deployed"
                time.sleep(0.02)

    def wait_until_alone(self, *ours: psycopg.Connection) -> None:
        """Until the server has noticed that the sessions of a killed job are gone."""
        pids = [conn.info.backend_pid for conn in ours]
        while (
            ours[0]
            .execute(
                "select exists (select from pg_stat_activity where datname = %s and pid <> all (%s))",
                [self.database, pids],
            )
            .fetchone()[0]
        ):
            time.sleep(0.02)


@pytest.fixture(scope="module")
def template(embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> Iterator[str]:
    """A database with the operational table, and a role with the documented rights to deploy."""
    name = new_database("job_template")
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute(
            f"""create schema operational;
            create table operational.thing (id int, name text, seen_at timestamptz default now());
            insert into operational.thing (id, name) values (1, 'one'), (2, 'two');
            create role {DEPLOYER} login;
            grant usage on schema operational to {DEPLOYER};
            grant select on operational.thing to {DEPLOYER}"""
        )
        for role in ("timeback_reader", "timeback_unrestricted"):
            if not conn.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
                conn.execute(f"create role {role} nologin")
    yield name
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute(f"drop owned by {DEPLOYER}; drop role {DEPLOYER}")


def _parse_what_is_new(dbt: DbtRuns, parse: Callable[[DbtRuns], Ran]) -> Ran:
    """The first job of a state folder goes on from what dbt has read of a small project before."""
    known = parsed_file(dbt.project, "--vars", dbt.variables, "--target", dbt.target)
    if known.is_file() and not dbt.parsed.exists():
        shutil.copyfile(known, dbt.parsed)
    ran = parse(dbt)
    if dbt.parsed.is_file():
        shutil.copyfile(dbt.parsed, known)
    return ran


@pytest.fixture
def jobs(
    template: str,
    embedded_server: EmbeddedServer,
    new_database: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Jobs]:
    """A small project that was not deployed yet, one of its datasets scoped."""
    database = new_database("job_test", template=template)
    project = SmallProject(tmp_path / "project")
    project.internal("int_thing", INT_THING)
    project.dataset("things", THINGS, COLUMNS, tests={"id": ["not_null"]})
    project.dataset(
        "scoped_things",
        "select thing.id from {{ ref('int_thing') }} as thing "
        "cross join {{ ref('int_caller_scope') }} as scope where scope.is_everyone",
        {"id": "integer"},
        tests={"id": ["not_null"]},
        scope="person",
    )
    for name in list(os.environ):
        if name.startswith(("PG", "DBT_", "TIMEBACK_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(DbtRuns, "parse", partialmethod(_parse_what_is_new, DbtRuns.parse))
    monkeypatch.setenv("TIMEBACK_PROJECT_DIR", str(project.folder))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", database)
    yield Jobs(project, tmp_path / "jobs", database, embedded_server)
    # databases that a role owns something in keep the role from being dropped
    new_database("job_test")


def ended(result: Result | subprocess.Popen[str], code: Exit) -> str:
    """What a job printed, once it has ended with the code that it should."""
    if isinstance(result, subprocess.Popen):
        output, _ = result.communicate()
        assert result.returncode == code, output
        return output
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result.output


def test_a_job_deploys_tests_counts_and_says_what_changed(jobs):
    said = ended(jobs("--no-check"), Exit.GREEN)
    assert "deploy   ok" in said and "4 created" in said
    assert said.strip().splitlines()[-1].startswith("Green, after")
    first = jobs.report
    assert first["outcome"] == "green" and first["previous"] is None
    assert first["rows"]["datasets"]["things"] | {"seconds": 0} == {
        "rows": 2, "before": None, "error": None, "seconds": 0,
    }  # fmt: skip
    assert first["rows"]["datasets"]["scoped_things"]["rows"] == 2
    assert first["tests_run"] == 2
    assert "Views created: int_caller_scope, int_thing, scoped_things, things." in first["changes"]

    with jobs.connect() as conn:
        conn.execute("insert into operational.thing (id, name) values (null, 'three')")
    jobs.project.dataset("more_things", THINGS, COLUMNS)
    said = ended(jobs("--no-check", "--keep", "1"), Exit.TESTS)
    second = jobs.report
    assert second["rows"]["datasets"]["things"]["before"] == 2
    assert second["rows"]["datasets"]["things"]["rows"] == 3
    assert "New datasets: more_things." in second["changes"]
    assert any(
        "not_null_things_id" in one for one in second["changes"] if one.startswith("Tests that fail now")
    )
    assert second["models"]["things"]["outcome"] == "unchanged"
    assert "not_null_things_id" in said and "exit code 7" in said
    page = (jobs.state / "latest" / "report.html").read_text()
    assert "+1" in page and "not_null_things_id" in page and "http" not in page.split("</style>")[1]
    folders = list(jobs.state.glob("*Z-*"))
    assert len(folders) == 1 and (folders[0] / "dbt.log").exists(), "the log is for who looks for the reason"


def test_wrong_sources_stop_a_job_before_it_deploys(jobs):
    with jobs.connect() as conn:
        conn.execute("alter table operational.thing drop column name")
    said = ended(jobs("--no-check"), Exit.SOURCES)
    assert "column name is missing" in said
    assert jobs.step("deploy")["status"] == jobs.step("tests")["status"] == "not run"
    with jobs.connect() as conn:
        assert conn.execute("select to_regclass('analytics.things')").fetchone() == (None,)


def test_old_rows_are_looked_for_where_one_asks(jobs):
    with jobs.connect() as conn:
        conn.execute("update operational.thing set seen_at = now() - interval '3 days'")
    limit = "{{source_freshness: {{{}: {{{}: {{count: 1, period: day}}}}}}}}"
    said = ended(jobs("--no-check", "--vars", limit.format("thing", "error_after")), Exit.SOURCES)
    assert "too old: thing" in said
    said = ended(jobs("--no-check", "--vars", limit.format("thing", "warn_after")), Exit.GREEN)
    assert jobs.step("sources")["status"] == "warning"
    said = ended(jobs("--no-check", "--vars", limit.format("think", "warn_after")), Exit.SOURCES)
    assert "names no table: think" in said


def test_a_failed_deploy_leaves_what_there_was_and_counts_it(jobs):
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    jobs.project.dataset("things", "select id, name from {{ ref('int_thing') }} where nonsense", COLUMNS)
    said = ended(jobs("--no-check"), Exit.DEPLOY)
    assert 'column "nonsense" does not exist' in said
    assert jobs.step("tests")["status"] == "not run"
    assert jobs.report["rows"]["datasets"]["things"]["rows"] == 2

    jobs.project.dataset(
        "things",
        "select name as id, id as name from {{ ref('int_thing') }}",
        {"id": "text", "name": "integer"},
    )
    assert "--replace-columns" in ended(jobs("--no-check"), Exit.DEPLOY)
    ended(jobs("--no-check", "--replace-columns"), Exit.GREEN)
    assert "Views columns replaced: things." in jobs.report["changes"]


def test_a_dataset_that_cannot_be_read_is_found(jobs):
    jobs.project.dataset("things", "select id, name from {{ ref('int_thing') }} where id / 0 = 1", COLUMNS)
    said = ended(jobs("--no-check", "--no-tests"), Exit.CHECK)
    assert "division by zero" in said
    assert jobs.report["rows"]["datasets"]["scoped_things"]["rows"] == 2


def test_the_check_is_part_of_it(jobs):
    """Great Expectations looks at the live catalog, here at one that nobody tests otherwise."""
    pytest.importorskip("great_expectations")
    jobs.project.dataset("things", THINGS, COLUMNS, tests={"id": ["unique"]})
    with jobs.connect() as conn:
        conn.execute("insert into operational.thing (id) values (1)")
    said = ended(jobs("--no-tests"), Exit.CHECK)
    assert "FAILED  things.id  unique: " in said and "broken by 1 row" in said
    assert list(jobs.state.glob("*Z-*/checkpoint.html"))


def test_without_great_expectations_the_check_is_skipped_in_plain_words(jobs, monkeypatch):
    def missing() -> None:
        raise MissingDependencyError("timeback check needs Great Expectations (x is missing): pip install y")

    monkeypatch.setattr(checkpoint, "_great_expectations", missing)
    ended(jobs("--no-tests"), Exit.GREEN)
    assert jobs.step("check")["status"] == "skipped"
    assert "pip install y" in jobs.step("check")["sentence"]


def test_a_deployer_who_may_not_see_everyone_gets_a_useful_report(jobs, monkeypatch):
    """No superuser, no member of timeback_unrestricted: counted behind the scope, and said so."""
    with jobs.connect() as conn:
        conn.execute(f"create schema analytics authorization {DEPLOYER}")
        conn.execute(f"create schema analytics_internal authorization {DEPLOYER}")
        conn.execute("insert into operational.thing (name) values ('without id')")
    for name, value in {
        "PGHOST": str(jobs.server.socket_dir),
        "PGUSER": DEPLOYER,
        "PGDATABASE": jobs.database,
    }.items():
        monkeypatch.setenv(name, value)
    line = ("--target", "server", "--vars", "{source_schema: operational}")
    said = ended(jobs(*line), Exit.TESTS)
    assert "not_null_things_id" in said and "not_null_scoped_things_id" not in said
    assert "in the model behind the scope" in jobs.report["rows"]["how"]
    assert jobs.report["rows"]["datasets"]["scoped_things"]["rows"] == 3
    assert f'grant timeback_unrestricted to "{DEPLOYER}"' in jobs.step("check")["sentence"]

    with jobs.connect() as conn:
        conn.execute(f"grant timeback_unrestricted to {DEPLOYER}")
    said = ended(jobs(*line, "--no-check"), Exit.TESTS)
    assert "not_null_scoped_things_id" in said
    assert jobs.report["rows"]["how"] == "with scope *, every organization"


def test_what_nobody_foresaw_has_a_report_too(jobs, monkeypatch):
    """Or the last one, of a job that was green, would be read as the latest."""
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("a <fault> of ours")

    monkeypatch.setattr(source_steps, "published_models", fail)
    said = ended(jobs("--no-check", "--no-tests"), Exit.UNFORESEEN)
    assert "ZeroDivisionError: a <fault> of ours" in said.strip().splitlines()[-1]
    assert jobs.report["outcome"] == "unforeseen" and jobs.report["last_job"]["outcome"] == "green"
    assert "in fail" in jobs.step("project")["details"][0] and "Traceback" not in said


def test_a_report_that_cannot_be_written_is_said(jobs):
    (jobs.state.parent / "file").write_text("")
    jobs.state = jobs.state.parent / "file" / "jobs"
    said = ended(jobs("--no-check", "--no-tests"), Exit.UNFORESEEN)
    assert "report cannot be written" in said and "file/jobs" in said


def test_failed_tests_come_with_their_query_and_what_changed(jobs):
    ended(jobs("--no-check"), Exit.GREEN)
    with jobs.connect() as conn:
        conn.execute("insert into operational.thing (name) values ('no id')")
    ended(jobs("--no-check"), Exit.TESTS)
    test = jobs.report["tests"]["not_null_scoped_things_id"]
    assert test["failures"] == 1 and test["about"].endswith("models/datasets/scoped_things.yml")
    with jobs.connect() as conn:
        conn.execute(f"set app.allowed_org_ids = '{test['scope']}'")
        assert conn.execute(test["sql"]).fetchall() == [(None,)]
    # neither hides the last tests from the next job: one whose sources were wrong, one that ran none
    with jobs.connect() as conn:
        conn.execute(
            "alter table operational.thing rename column seen_at to at; delete from operational.thing"
        )
        conn.execute("alter table operational.thing rename column name to nom")
    ended(jobs("--no-check"), Exit.SOURCES)
    with jobs.connect() as conn:
        conn.execute("alter table operational.thing rename column nom to name")
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    ended(jobs("--no-check"), Exit.GREEN)
    changes = jobs.report["changes"]
    assert "Tests that failed and pass now: not_null_scoped_things_id, not_null_things_id." in changes


# -- stored facts --------------------------------------------------------------------------------------

STORED = """{{ config(
    enabled=var('stored_facts'), materialized='incremental',
    meta={
        'key': ['id'], 'order': ['id'], 'live': 'int_thing_live', 'origins': 'int_thing_origin',
        'made_from': {'thing': 'thing_id'}
    }
) }}
-- depends_on: {{ ref('int_thing_origin') }}
select id, name from {{ ref('int_thing_live') }}"""


@pytest.fixture
def stored_jobs(jobs: Jobs) -> Jobs:
    """The same, of a hundred things that can be stored, as attempts can."""
    source = "from {{ source('operational', 'thing') }}"
    jobs.project.internal("int_thing_live", f"select id, name, id as thing_id {source}")
    jobs.project.internal(
        "int_thing_origin",
        "{{ config(enabled=var('stored_facts')) }} select id, id as thing_id " + source,
    )
    jobs.project.internal("int_thing_stored", STORED)
    jobs.project.internal(
        "int_thing",
        "select id, name "
        "from {{ ref('int_thing_stored') if var('stored_facts') else ref('int_thing_live') }}",
    )
    with jobs.connect() as conn:
        conn.execute(
            "insert into operational.thing select n, 'thing ' || n from generate_series(3, 100) as n"
        )
    return jobs


STORED_MODE = ("--no-check", "--no-tests", "--vars", "{stored_facts: true}")


def test_a_model_alone_says_what_to_run_where_what_it_reads_is_missing(stored_jobs):
    project = stored_jobs.project
    live = project.run()
    assert "int_thing_live" in live and "int_thing_stored" not in live
    for alone in ("int_thing_stored", "int_thing"):
        said = project.fail("--select", alone, stored_facts=True)
        assert f"dbt run --select +{alone}, with the same --vars" in said, said
    assert project.run("--select", "+int_thing", stored_facts=True)["int_thing"] == "replaced"


def test_the_report_tells_what_was_refreshed(stored_jobs):
    def stored() -> tuple[Any, ...]:
        found = stored_jobs.report["stored"]["int_thing_stored"]
        names = ("added_rows", "removed_rows", "is_whole", "changed_rows")
        return tuple(found[name] for name in names)

    said = ended(stored_jobs(*STORED_MODE), Exit.GREEN)
    assert "1 of 1 stored models brought up to date" in said and "100 rows added, 0 removed" in said
    first = stored_jobs.report
    assert first["facts"] == "stored" and first["stored"]["int_thing_stored"]["since"] is None
    assert stored()[:3] == (100, 0, True)
    assert first["models"]["int_thing_stored"]["outcome"] == "refreshed"

    assert "no row changed" in ended(stored_jobs(*STORED_MODE), Exit.GREEN)
    second = stored_jobs.report["stored"]["int_thing_stored"]
    assert stored() == (0, 0, False, {"thing": 0})
    assert second["since"] == first["stored"]["int_thing_stored"]["refreshed_at"]
    assert stored_jobs.report["changes"] == []

    with stored_jobs.connect() as conn:
        conn.execute("delete from operational.thing where id = 2")
        conn.execute("update operational.thing set name = 'corrected' where id = 1")
        conn.execute("insert into operational.thing (id, name) values (101, 'new')")
    ended(stored_jobs(*STORED_MODE), Exit.GREEN)
    assert stored() == (2, 2, False, {"thing": 2})
    assert "Stored rows of int_thing_stored: 2 added, 2 removed." in stored_jobs.report["changes"]
    page = (stored_jobs.state / "latest" / "report.html").read_text()
    assert "Stored facts" in page and "thing 2" in page and "stored_facts: True" in page

    with stored_jobs.connect() as conn:
        conn.execute("delete from operational.thing where id <= 50")
    ended(stored_jobs(*STORED_MODE), Exit.GREEN)
    assert stored()[:2] == (0, 49)
    ended(stored_jobs("--no-check", "--no-tests"), Exit.GREEN)
    assert stored_jobs.report["facts"] == "live" and stored_jobs.report["stored"] == {}
    assert any("live facts now; they read stored ones before" in one for one in stored_jobs.report["changes"])
    assert stored_jobs.report["rows"]["datasets"]["things"]["rows"] == 51


def test_what_a_deploy_warns_of_is_a_warning(stored_jobs):
    """The refresh goes on, and somebody should know."""
    stored_jobs.project.internal(
        "int_thing_live",
        "{% if execute %}{% do exceptions.warn('the clock is wrong') %}{% endif %}"
        "select id, name, id as thing_id from {{ source('operational', 'thing') }}",
    )
    said = ended(stored_jobs(*STORED_MODE), Exit.GREEN)
    assert "deploy   warning" in said and "the clock is wrong" in said
    assert any("the clock is wrong" in one for one in stored_jobs.step("deploy")["warnings"])
    assert stored_jobs.step("refresh")["status"] == "ok"


def test_the_environment_says_the_variables_where_the_line_does_not(stored_jobs, monkeypatch):
    monkeypatch.setenv("TIMEBACK_VARS", "{stored_facts: true}")
    ended(stored_jobs("--no-check", "--no-tests"), Exit.GREEN)
    assert (
        stored_jobs.report["variables"] == {"stored_facts": True} and stored_jobs.report["facts"] == "stored"
    )
    monkeypatch.setenv("TIMEBACK_VARS", "stored_facts")
    result = stored_jobs("--no-check", "--no-tests")
    assert result.exit_code == Exit.USAGE and "is no dict" in result.output


def test_a_stored_model_that_is_not_refreshed_says_what_it_shows(stored_jobs):
    ended(stored_jobs(*STORED_MODE), Exit.GREEN)
    # a view reads the name
    stored_jobs.project.internal("int_thing_stored", STORED.replace(" name from", " thing_id from"))
    said = ended(stored_jobs(*STORED_MODE), Exit.DEPLOY)
    assert "was made with other columns" in said
    step = stored_jobs.step("refresh")
    assert step["status"] == "failed" and step["sentence"].startswith("0 of 1")
    assert "not brought up to date, shows the state of 2" in step["details"][0]
    assert stored_jobs.report["rows"]["datasets"]["things"]["rows"] == 100


def test_kill_during_a_refresh(stored_jobs):
    """kill -9 while a stored model waits its turn: readers see the state before, the next job repairs."""
    ended(stored_jobs(*STORED_MODE), Exit.GREEN)
    with stored_jobs.connect() as conn, stored_jobs.connect() as other:
        conn.execute("delete from operational.thing where id > 95")
        other.execute("begin; lock table analytics_internal.refresh_state in exclusive mode")
        killed = stored_jobs.start(*STORED_MODE)
        stored_jobs.wait_for_lock("analytics_internal.refresh_state", killed)
        killed.kill()
        killed.wait()
        assert conn.execute("select count(*) from analytics.things").fetchone() == (100,)
        other.execute("rollback")
        stored_jobs.wait_until_alone(conn, other)
    said = ended(stored_jobs(*STORED_MODE), Exit.GREEN)
    assert "was ended during deploy" in said
    assert stored_jobs.report["rows"]["datasets"]["things"]["rows"] == 95
    with stored_jobs.connect() as conn:
        assert not conn.execute(
            "select from analytics_internal.int_thing_stored full join operational.thing using (id, name) "
            "where int_thing_stored.id is null or thing.id is null"
        ).fetchall()


def test_refreshes_of_every_try_are_told(jobs):
    """A try whose connection broke may have refreshed; the next one finds nothing left to do."""
    with jobs.connect() as conn:
        refreshes = Refreshes("analytics")
        refreshes.look(conn)
        assert refreshes.done == {}
        conn.execute(
            """create schema analytics_internal;
            create table analytics_internal.refresh_state (
                model_name text, source_name text, changed_rows bigint, removed_rows bigint,
                added_rows bigint, is_whole boolean, refreshed_at timestamptz
            );
            insert into analytics_internal.refresh_state values
            ('one', 'attempt', 5, 2, 3, false, '2026-01-02'),
            ('one', 'score', 1, 2, 3, false, '2026-01-02')"""
        )
        refreshes.look(conn)
        conn.execute(
            """update analytics_internal.refresh_state
            set changed_rows = 0, removed_rows = 0, added_rows = 1, refreshed_at = '2026-01-03'"""
        )
        refreshes.look(conn)
        refreshes.look(conn)
    (done,) = refreshes.done.values()
    assert (done.since, done.removed_rows, done.added_rows) == (None, 2, 4)
    assert done.changed_rows == {"attempt": 5, "score": 1}
    assert done.refreshed_at == refreshes.last_times["one"]


# -- one at a time, and what happens to it -----------------------------------------------------------


def test_a_second_job_says_who_runs_and_does_nothing(jobs):
    with jobs.connect() as other:
        take_lock(other)
        said = ended(jobs("--no-check"), Exit.ANOTHER_JOB)
        assert "far-away:7 as postgres" in said and str(other.info.backend_pid) in said
        assert "This one does nothing." in said
        assert not jobs.state.exists()
        # a server notices a moment later that a client has gone
        other.execute("rollback")
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)


def test_a_reader_cannot_keep_the_job_from_running(jobs):
    """Whatever it locks: the key that jobs had, any advisory lock, the table itself."""
    with jobs.connect() as conn:
        conn.execute(f"create role {READER} login in role timeback_reader")
    try:
        ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
        with jobs.connect(READER) as reader:
            reader.execute("set application_name = 'timeback job far-away:7'")
            reader.execute("select pg_advisory_lock(1952606831, hashtext('analytics'))")
            for lock in ("access share", "exclusive"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(f"begin; lock table {LOCK} in {lock} mode")
                reader.execute("rollback")
            ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    finally:
        with jobs.connect() as conn:
            conn.execute(f"drop owned by {READER}; drop role {READER}")


def test_a_stranger_who_holds_the_lock_is_told_apart(jobs):
    """Who runs no job, and has rights on the table all the same."""
    with jobs.connect() as other:
        take_lock(other)
        other.execute("set application_name = 'psql'")
        said = ended(jobs("--no-check"), Exit.STRANGER)
        assert f"is locked by postgres, since {other.execute('select now()').fetchone()[0]:%Y}" in said
        assert f"select pg_terminate_backend({other.info.backend_pid});" in said
        assert "it calls itself psql" in said
        assert jobs.report["outcome"] == "stranger" and jobs.report["tries"] == []
        other.execute("rollback")
        other.execute(f"create role {READER}; alter table {LOCK} owner to {READER}")
        said = ended(jobs("--no-check"), Exit.STRANGER)
        assert f"table job_lock is owned by {READER}, and not by postgres" in said
        other.execute(f"drop table {LOCK}; alter schema analytics_internal owner to {READER}")
        assert f"schema analytics_internal is owned by {READER}" in ended(jobs("--no-check"), Exit.STRANGER)
        other.execute(f"alter schema analytics_internal owner to postgres; drop role {READER}")
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)


def test_the_locks_session_outlives_the_roles_timeouts(jobs, monkeypatch):
    """Nor do dbt's sessions die while they wait for each other."""
    with jobs.connect() as conn:
        for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
            conn.execute(f"alter role postgres in database {jobs.database} set {name} = '1s'")
    ended(jobs("--no-check"), Exit.GREEN)
    assert jobs.report["tries"] == []


def test_a_timeout_of_the_roles_is_said_to_be_one(jobs):
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    jobs.project.dataset("things", THINGS + " where id > 0", COLUMNS)
    with jobs.connect() as reader:
        reader.execute("begin; select * from analytics.things")
        with jobs.connect() as conn:
            conn.execute(f"alter role postgres in database {jobs.database} set statement_timeout = '10s'")
        said = ended(jobs("--no-check"), Exit.DEPLOY)
        reader.execute("rollback")
    assert "canceling statement due to statement timeout" in said
    assert f'statement_timeout of role "postgres" in database "{jobs.database}" is 10s' in " ".join(
        said.split()
    )
    assert f'alter role "postgres" in database "{jobs.database}" set statement_timeout = 0;' in said


def test_the_lock_is_given_back_at_once(jobs, monkeypatch):
    """And not when the server notices that the session is gone: on a busy host the next job may be sooner."""
    lock = JobLock(lambda: jobs.server.dsn(jobs.database), "analytics", lambda: None)
    lock.acquire()
    monkeypatch.setattr(psycopg.Connection, "close", lambda conn: None)
    lock.release()
    with jobs.connect() as conn:
        conn.execute(f"begin; lock table {LOCK} in exclusive mode nowait")


def test_a_lock_whose_owner_is_about_to_go_is_waited_for(jobs, monkeypatch):
    """As that of a job that was killed a moment ago."""
    monkeypatch.setattr(job_lock, "PATIENCE_SECONDS", 300)
    with jobs.connect() as other:
        take_lock(other)

        def give_back_once_it_is_waited_for() -> None:
            while not other.execute(
                "select exists (select from pg_locks where relation = %s::regclass and not granted)", [LOCK]
            ).fetchone()[0]:
                time.sleep(0.02)
            other.execute("rollback")

        owner = threading.Thread(target=give_back_once_it_is_waited_for)
        owner.start()
        ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
        owner.join()


def test_a_job_on_another_schema_does_not_mind(jobs, monkeypatch):
    with jobs.connect() as other:
        take_lock(other)
        monkeypatch.setenv("TIMEBACK_SCHEMA", "elsewhere")
        ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
        assert other.execute("select count(*) from elsewhere.things").fetchone() == (2,)


def test_two_jobs_at_once_then_one_that_is_told_to_end(jobs):
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    jobs.project.dataset("things", THINGS + " where id > 0", COLUMNS)
    with jobs.connect() as reader:
        reader.execute("begin; select * from analytics.things")
        first = jobs.start("--no-check")
        jobs.wait_for_lock("analytics.things", first)
        assert f":{first.pid} as postgres" in ended(jobs("--no-check"), Exit.ANOTHER_JOB)
        first.terminate()
        said = ended(first, Exit.INTERRUPTED)
        assert "ended by SIGTERM" in said
        assert jobs.report["outcome"] == "interrupted"
        assert reader.execute("select count(*) from analytics.things").fetchone() == (2,)
    ended(jobs("--no-check"), Exit.GREEN)
    assert jobs.report["models"]["things"]["outcome"] == "replaced"


def test_a_step_that_did_not_hear_is_told_again(jobs, monkeypatch):
    """As when the signal came while Python cleared an object away, which costs the exception."""
    heard = []

    def go_on(work: Work, step: Step) -> None:
        while True:
            try:
                if not heard:
                    os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(300)
            except KeyboardInterrupt:
                heard.append(step.name)
                if len(heard) == 2:
                    raise

    monkeypatch.setattr(job_interruption, "REMIND_SECONDS", 0.1)
    monkeypatch.setattr(
        job_run,
        "PLAN",
        [replace(planned, take=go_on) if planned.name == "sources" else planned for planned in PLAN],
    )
    said = ended(jobs("--no-check"), Exit.INTERRUPTED)
    assert "ended by SIGTERM" in said and heard == ["sources", "sources"]


@pytest.mark.parametrize("moment", ["deploy", "start"])
def test_after_a_job_that_was_killed_the_next_one_is_green(jobs, moment):
    """kill -9, and everything that a job could have been writing then is left half-written."""
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    jobs.project.dataset("things", THINGS + " where id > 0", COLUMNS)
    with Readers(jobs.server.dsn(jobs.database), ["analytics.things", "analytics.scoped_things"]) as readers:
        with jobs.connect() as reader:
            reader.execute("begin; select * from analytics.things")
            killed = jobs.start("--no-check")
            if moment == "deploy":
                jobs.wait_for_lock("analytics.things", killed)
            else:
                while not list(jobs.state.glob("*/running.json")):
                    assert killed.poll() is None
            killed.kill()
            killed.wait()
        for half in (jobs.state / "partial_parse.msgpack", *jobs.state.glob("*/target/*.json")):
            half.write_bytes(half.read_bytes()[:1000])
        (jobs.project.folder / "target").mkdir(exist_ok=True)
        (jobs.project.folder / "target" / "manifest.json").write_text("{")
        said = ended(jobs("--no-check"), Exit.GREEN)
    assert readers.answers and not readers.errors and not readers.empty
    assert f"was ended during {'deploy' if moment == 'deploy' else ''}" in said
    assert jobs.report["models"]["things"]["outcome"] == "replaced"
    assert len(jobs.report["killed"]) == 1
    if moment == "deploy":
        (log,) = jobs.state.glob("*Z-*/dbt-of-the-killed.log")
        assert "analytics.things" in log.read_text()
        assert f"../{log.parent.name}/{log.name}" in (jobs.state / "latest" / "report.html").read_text()
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    assert jobs.report["killed"] == [] == jobs.report["files"]


def test_a_lost_lock_stops_the_step_and_the_job_tries_again(jobs, monkeypatch):
    """As after a restart of the server. Without its lock a job must not go on, since another may begin."""
    monkeypatch.setattr(job_lock, "HEARTBEAT_SECONDS", 0.1)
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    jobs.project.dataset("things", THINGS + " where id > 0", COLUMNS)
    done = []

    def cut_the_line() -> None:
        with jobs.connect() as reader:
            reader.execute("begin; select * from analytics.things")
            jobs.wait_for_lock("analytics.things", threading.main_thread())
            with jobs.connect() as conn:
                done.extend(
                    conn.execute(
                        """select pg_terminate_backend(pid) from pg_stat_activity
                        where datname = current_database() and pid <> pg_backend_pid() and pid <> %s""",
                        [reader.info.backend_pid],
                    ).fetchall()
                )

    enemy = threading.Thread(target=cut_the_line)
    enemy.start()
    said = ended(jobs("--no-check"), Exit.GREEN)
    enemy.join()
    assert len(done) >= 2, "the job's own session and one of dbt's"
    assert "Trying again in 1 s (1 of 5)" in said
    assert len(jobs.report["tries"]) == 1 and jobs.report["tries"][0].startswith("deploy: ")
    assert jobs.report["models"]["things"]["outcome"] == "replaced"


def test_a_job_that_lost_its_lock_to_another_one_says_where_it_ended(jobs, monkeypatch):
    monkeypatch.setattr(job_lock, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(job_lock, "PATIENCE_SECONDS", 0.1)
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    jobs.project.dataset("things", THINGS + " where id > 0", COLUMNS)
    with jobs.connect() as other, jobs.connect() as reader:
        # in the way until the job has ended: let through, it may be done before it notices its loss
        reader.execute("begin; select * from analytics.things")

        def take_over() -> None:
            jobs.wait_for_lock("analytics.things", threading.main_thread())
            other.execute(
                """select pg_terminate_backend(pid) from pg_locks
                where relation = %s::regclass and pid <> pg_backend_pid()""",
                [LOCK],
            )
            take_lock(other)

        enemy = threading.Thread(target=take_over)
        enemy.start()
        said = ended(jobs("--no-check"), Exit.ANOTHER_JOB)
        enemy.join()
        assert "Trying again in 1 s" in said and "This one does nothing" not in said
        assert jobs.report["outcome"] == "another_job"
        assert jobs.step("deploy")["status"] == "failed" and str(other.info.backend_pid) in said
        assert not list(jobs.state.glob("*/running.json"))
        other.execute("rollback")
    ended(jobs("--no-check", "--no-tests"), Exit.GREEN)
    assert jobs.report["last_job"]["exit_code"] == Exit.ANOTHER_JOB and not jobs.report["killed"]


def test_no_connection_is_tried_again_up_to_a_limit(jobs, monkeypatch):
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", "/nonexistent")
    said = ended(jobs("--retries", "1"), Exit.NO_CONNECTION)
    assert said.count("Trying again") == 1 and "cannot be reached" in said
    assert jobs.report["outcome"] == "no_connection"


def test_a_wrong_role_is_not_tried_again(jobs, monkeypatch):
    monkeypatch.setenv("PGHOST", str(jobs.server.socket_dir))
    monkeypatch.setenv("PGUSER", "job_test_nobody")
    said = ended(jobs("--target", "server"), Exit.NO_CONNECTION)
    assert "Trying again" not in said and '"job_test_nobody" does not exist' in said


@pytest.mark.parametrize(
    ("line", "said"),
    {
        ("--vars", "[1]"): "is no dict",
        ("--vars", "{a: "): "is no YAML",
        ("--no-tests", "--select", "things"): "exclude each other",
        ("--keep", "0"): "--keep",
    }.items(),
)
def test_usage(jobs, line, said):
    result = jobs(*line)
    assert result.exit_code == Exit.USAGE and said in result.output


def test_a_project_without_profile_says_what_to_do(jobs):
    (jobs.project.folder / "profiles.yml").unlink()
    result = jobs()
    assert result.exit_code == Exit.USAGE and "timeback setup" in result.output


def test_help_and_page_have_the_same_exit_codes():
    """The table of docs/job.md, the list of --help, and what the code knows."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "job.md").read_text()
    in_page = [
        int(line.split("|")[1])
        for line in page.splitlines()
        if line[:3] == "| " + line[2:3] and line[2].isdigit()
    ]
    shown = CliRunner().invoke(main, ["job", "--help"]).output.split("Exit codes:")[1]
    in_help = [int(line.split()[0]) for line in shown.splitlines() if line.strip()[:1].isdigit()]
    assert in_page == in_help == [int(code) for code in Exit]


@pytest.mark.parametrize(
    ("message", "is_trouble"),
    {
        "server closed the connection unexpectedly": True,
        'connection to server at "x", port 5432 failed: Connection refused': True,
        "terminating connection due to administrator command": True,
        "FATAL:  the database system is starting up": True,
        "FATAL:  sorry, too many clients already": True,
        'connection to server on socket "x" failed: FATAL:  role "nobody" does not exist': False,
        'column "connection" does not exist': False,
        "The columns of students change": False,
    }.items(),
)
def test_which_errors_are_worth_another_try(message, is_trouble):
    assert is_connection_trouble(message) is is_trouble
