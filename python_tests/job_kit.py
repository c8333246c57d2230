"""What the tests of timeback job share: jobs on a small project, and how they end."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from dbt_in_process import parsed_file
from small_project import SmallProject
from timeback_analytics.cli import main
from timeback_analytics.job.dbt_runs import DbtRuns, Ran
from timeback_analytics.job.outcome import Exit
from timeback_analytics.server import EmbeddedServer

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
