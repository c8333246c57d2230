"""dbt as dbt users use it: commands without a target, --warn-error, other targets, a package of ours."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner
from dbt.cli.main import dbtRunner

from conftest import ROOT, Dbt
from small_project import SmallProject
from timeback_analytics.cli import main
from timeback_analytics.server import EmbeddedServer

DBT = Path(sys.executable).with_name("dbt")
NO_RIGHTS = "dbt_users_no_rights"


@pytest.fixture
def project(
    embedded_server: EmbeddedServer,
    new_database: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> SmallProject:
    """A small project with a dataset whose columns are of the types that dbt warns of."""
    database = new_database("dbt_users")
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        conn.execute(
            """create schema operational;
            create table operational.thing (id int, name text, seen_at timestamptz default now())"""
        )
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", database)
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    made = SmallProject(tmp_path / "project")
    # settings that apply to nothing are worth a warning of dbt's
    path = made.folder / "dbt_project.yml"
    settings = yaml.safe_load(path.read_text())
    for layer in ("intermediate", "datasets"):
        del settings["models"]["timeback_analytics"][layer]["roar"]
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    made.internal("int_thing", "select id, name from {{ source('operational', 'thing') }}")
    made.dataset(
        "measures",
        "select gen_random_uuid() as id, array[gen_random_uuid()] as ids, 1.5::numeric as size "
        "from {{ ref('int_thing') }}",
        {"id": "uuid", "ids": "uuid[]", "size": "numeric"},
    )
    return made


def events_of(project: SmallProject, *arguments: str) -> list[str]:
    """The names of the events of a dbt command that must succeed."""
    names: list[str] = []
    folder = str(project.folder)
    done = dbtRunner(callbacks=[lambda event: names.append(event.info.name)]).invoke(
        [
            *("--quiet", "--log-level-file", "none"),
            *arguments,
            "--project-dir",
            folder,
            "--profiles-dir",
            folder,
        ]
    )
    assert done.success, done.exception
    return names


@pytest.mark.parametrize("command", ["deps", "clean"])
def test_commands_that_need_no_target(command: str, tmp_path: Path) -> None:
    """In a process of their own, with this project's settings and nothing else of it."""
    (tmp_path / "dbt_project.yml").write_bytes((ROOT / "dbt_project.yml").read_bytes())
    (tmp_path / "profiles.yml").write_bytes((ROOT / "profiles.yml.example").read_bytes())
    done = subprocess.run([DBT, command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_warn_error_is_of_use(project: SmallProject) -> None:
    """What dbt warns of on every run of ours is not an error; a warning of ours is one."""
    done = project.dbt("run", "--warn-error")
    assert done.success, project.text
    done = project.dbt("run", "--warn-error-options", '{"error": "all"}')
    assert done.success, project.text
    project.internal(
        "int_warns", "{{ exceptions.warn('something is not right') if execute }} select 1 as one"
    )
    assert project.dbt("run").success
    assert not project.dbt("run", "--warn-error").success
    assert "something is not right" in project.text


def test_going_to_and_fro_between_targets_and_variables_reads_the_project_once_each(
    project: SmallProject,
) -> None:
    ways = (
        ("parse",),
        ("parse", "--vars", "{stored_facts: true}"),
        ("parse", "--target", "server"),
    )
    for way in ways:
        assert "UnableToPartialParse" in events_of(project, *way) or way == ways[0]
    for way in (*ways, ("parse", "--target", "embedded")):
        assert "UnableToPartialParse" not in events_of(project, *way), way
    # what was kept is read with its changes
    project.remove("measures")
    events_of(project, *ways[0])
    manifest = json.loads((project.folder / "target" / "manifest.json").read_text())
    assert "model.timeback_analytics.measures" not in manifest["nodes"]


def test_without_roar_nothing_warns_of_its_tests(dbt: Dbt, short_tmp: Path) -> None:
    done = dbt("none", "parse", "--target", "server", "--no-partial-parse")
    assert "WARNING" not in done.stdout, done.stdout
    nodes: dict[str, Any] = json.loads((short_tmp / "target" / "manifest.json").read_text())["nodes"]
    assert not [name for name, node in nodes.items() if "roar" in name and node["config"]["enabled"]]


def test_as_a_package_of_another_project_it_stops_and_says_what_to_do(
    project: SmallProject, tmp_path: Path
) -> None:
    """dbt would take its own view materialization there, which knows no barrier."""
    project.run()
    consumer = tmp_path / "consumer"
    (consumer / "models").mkdir(parents=True)
    settings = {
        "name": "consumer",
        "version": "1.0.0",
        "profile": "timeback_analytics",
        "model-paths": ["models"],
    }
    (consumer / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    (consumer / "packages.yml").write_text(yaml.safe_dump({"packages": [{"local": str(project.folder)}]}))
    (consumer / "models" / "mart.sql").write_text(
        "select count(*) as number from {{ ref('timeback_analytics', 'measures') }}"
    )
    (consumer / "profiles.yml").write_bytes((ROOT / "profiles.yml.example").read_bytes())
    folder = ("--project-dir", str(consumer), "--profiles-dir", str(consumer))
    assert dbtRunner().invoke(["--quiet", "deps", *folder]).success
    said: list[str] = []
    runner = dbtRunner(callbacks=[lambda event: said.append(event.info.msg)])
    done = runner.invoke(["run", *folder])
    text = " ".join(" ".join(said).split())
    assert not done.success
    assert "timeback_analytics is not a package" in text and "timeback consumer" in text, text


def test_slim_ci_tests_what_changed_and_what_stands_on_it(project: SmallProject, tmp_path: Path) -> None:
    """The step of the workflow as it stands, on a database that holds nothing of ours."""
    workflow = yaml.safe_load((ROOT / "deploy" / "github-actions" / "slim-ci.yml").read_text())
    (step,) = [step for step in workflow["jobs"]["build"]["steps"] if step.get("name") == "Build"]
    (project.folder / "seeds").mkdir()
    (project.folder / "seeds" / "words.csv").write_text("word\nhello\n")
    project.internal("int_words", "select word from {{ ref('words') }}")
    for name, below in (("changed", "int_thing"), ("stays", "int_words")):
        column = "id" if below == "int_thing" else "word"
        project.dataset(
            name,
            f"select {column} from {{{{ ref('{below}') }}}}",
            {column: "integer" if column == "id" else "text"},
            tests={column: ["not_null"]},
        )
    assert project.dbt("parse").success
    (project.folder / "state").mkdir()
    shutil.copy(project.folder / "target" / "manifest.json", project.folder / "state")
    project.internal("int_thing", "select id, upper(name) as name from {{ source('operational', 'thing') }}")
    (project.folder / ".venv" / "bin").mkdir(parents=True)
    (project.folder / ".venv" / "bin" / "dbt").symlink_to(DBT)
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((project.folder / "target" / "run_results.json").read_text())["results"]
    tested = [one["unique_id"].split(".")[2] for one in results if one["unique_id"].startswith("test.")]
    assert tested == ["not_null_changed_id"]


def test_dbts_own_traceback_is_a_sentence_in_a_command_of_ours(
    project: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As where the disk is full: dbt cannot write, and did not foresee it."""
    monkeypatch.setenv("TIMEBACK_PROJECT_DIR", str(project.folder))
    (tmp_path / "file").write_text("no folder")
    line = ["docs", "--target", "embedded", "--target-path", str(tmp_path / "file" / "target")]
    done = CliRunner().invoke(main, line)
    said = done.output + "".join(capfd.readouterr())
    assert done.exit_code == 1 and "Traceback" not in said
    assert "dbt could not write its documentation for target embedded: " in said and "Not a directory" in said


@pytest.fixture
def no_rights(embedded_server: EmbeddedServer, project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> str:
    """target `server` is the project's database, as a role that may only read the source."""
    database = psycopg.conninfo.conninfo_to_dict(embedded_server.dsn("x"))["host"]
    with psycopg.connect(embedded_server.dsn("dbt_users"), autocommit=True) as conn:
        conn.execute(f"drop role if exists {NO_RIGHTS}; create role {NO_RIGHTS} login")
        conn.execute(f"grant usage on schema operational to {NO_RIGHTS}")
        conn.execute(f"grant select on all tables in schema operational to {NO_RIGHTS}")
    for name, value in (("PGHOST", database), ("PGUSER", NO_RIGHTS), ("PGDATABASE", "dbt_users")):
        monkeypatch.setenv(name, value)
    yield NO_RIGHTS
    with psycopg.connect(embedded_server.dsn("dbt_users"), autocommit=True) as conn:
        conn.execute(f"drop owned by {NO_RIGHTS} cascade; drop role {NO_RIGHTS}")


def on_server(project: SmallProject, *command: str) -> tuple[bool, str, str]:
    """A dbt command on target `server`: whether it went well; its warnings, its errors, each on one line."""
    said: dict[str, list[str]] = {"warn": [], "error": []}

    def listen(event: Any) -> None:
        if event.info.level in said:
            said[event.info.level].append(event.info.msg)

    folder = str(project.folder)
    done = dbtRunner(callbacks=[listen]).invoke(
        ["--quiet", *command, "--target", "server", "--project-dir", folder, "--profiles-dir", folder]
    )
    warnings, errors = (" ".join(" ".join(lines).split()) for lines in said.values())
    return done.success, warnings, errors


def run_on_server(project: SmallProject) -> str:
    """A `dbt run` on target `server` that must fail: what it said, on one line."""
    is_green, _, errors = on_server(project, "run")
    assert not is_green
    return errors


def test_a_role_that_may_not_create_schemas_is_told_what_to_ask_for(
    project: SmallProject, no_rights: str
) -> None:
    said = run_on_server(project)
    assert f"{no_rights} may not create schemas in database dbt_users" in said
    assert f'create schema if not exists "analytics" authorization "{no_rights}";' in said


def test_a_read_only_server_is_said_in_a_sentence(
    project: SmallProject, no_rights: str, embedded_server
) -> None:
    with psycopg.connect(embedded_server.dsn("dbt_users"), autocommit=True) as conn:
        conn.execute(f"alter role {no_rights} set default_transaction_read_only = on")
    said = run_on_server(project)
    assert "takes no writes" in said and "Nothing was made" in said


def test_build_with_the_documented_rights_is_green_and_says_once_what_was_left_out(
    project: SmallProject, no_rights: str, embedded_server: EmbeddedServer
) -> None:
    """Connect and create on the database, usage and select on the sources: README's rights and no more."""
    with psycopg.connect(embedded_server.dsn("dbt_users"), autocommit=True) as conn:
        conn.execute(f"grant create on database dbt_users to {no_rights}")
        for role in ("timeback_reader", "timeback_unrestricted", "timeback_bound"):
            if not conn.execute("select from pg_roles where rolname = %s", [role]).rowcount:
                conn.execute(f"create role {role} nologin")
        conn.execute("insert into operational.thing (id, name) values (1, 'one'), (1, 'again')")
        project.dataset(
            "scoped_things",
            "select thing.id, scope.org_ids from {{ ref('int_thing') }} as thing "
            "cross join {{ ref('int_caller_scope') }} as scope",
            {"id": "integer", "org_ids": "uuid[]"},
            # would fail for somebody who sees everybody
            tests={"id": ["unique", "not_null"]},
            scope="id",
        )
        is_green, warned, failed = on_server(project, "build")
        assert is_green, failed
        line = f"2 tests of scoped datasets are left out and count as passed, since {no_rights} may not see"
        grant = f'grant timeback_unrestricted to "{no_rights}";'
        assert warned.count("left out") == 1 and line in warned
        assert f"an administrator runs: {grant}" in warned
        conn.execute("alter role timeback_unrestricted rename to timeback_unrestricted_aside")
        try:
            _, warned, _ = on_server(project, "build")
        finally:
            conn.execute("alter role timeback_unrestricted_aside rename to timeback_unrestricted")
        assert f"an administrator runs: create role timeback_unrestricted nologin; {grant}" in warned
        conn.execute(grant)
        is_green, warned, failed = on_server(project, "test")
        assert not is_green and "left out" not in warned
        assert "unique_scoped_things_id" in failed and "not_null" not in failed
