# ruff: noqa: F811  fixtures of job_kit are named as parameters
"""timeback job: what it does, how it ends, and that the next one repairs what was killed."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from job_kit import COLUMNS, DEPLOYER, THINGS, ended, jobs, template  # noqa: F401
from timeback_analytics import checkpoint
from timeback_analytics.cli import main
from timeback_analytics.errors import MissingDependencyError
from timeback_analytics.job.outcome import Exit
from timeback_analytics.job.steps import sources as source_steps

pytestmark = pytest.mark.takes_long


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


@pytest.mark.parametrize(
    ("line", "said"),
    {
        ("--vars", "[1]"): "is not a dict",
        ("--vars", "{a: "): "is not YAML",
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
