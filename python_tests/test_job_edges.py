# ruff: noqa: F811  fixtures of job_kit are named as parameters
"""timeback job where it meets people: selections, the audit, alerts, what a failure comes from."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml
from click.testing import CliRunner

from job_kit import DEPLOYER, INT_THING, Jobs, jobs, template  # noqa: F401
from timeback_analytics.cli import main
from timeback_analytics.job.live_catalog import LiveCatalog
from timeback_analytics.job.outcome import Exit

pytestmark = pytest.mark.takes_long
QUICK = ("--no-tests", "--no-check", "--no-rows")


def run_green(jobs: Jobs, *more: str) -> None:
    done = jobs(*more)
    assert done.exit_code == Exit.GREEN, done.output


def test_a_selection_of_no_test_is_an_error(jobs: Jobs) -> None:
    done = jobs("--select", "nosuch", "--no-check", "--no-rows")
    assert done.exit_code == Exit.TESTS
    assert jobs.step("tests")["sentence"] == "--select nosuch selects no test"


def test_a_barrier_that_the_deploy_mends_is_a_security_event(jobs: Jobs, tmp_path: Path) -> None:
    run_green(jobs, *QUICK)
    assert jobs.step("audit")["status"] == "ok" and jobs.report["security_events"] == []
    with jobs.connect() as conn:
        conn.execute("alter view analytics.scoped_things set (security_barrier = false)")
    told = tmp_path / "told.json"
    run_green(jobs, *QUICK, "--alert", f"cat > '{told}'")
    (event,) = jobs.report["security_events"]
    assert "analytics.scoped_things is scoped and no security barrier" in event
    assert jobs.step("audit")["status"] == "warning"
    assert json.loads(told.read_text())["security_events"] == [event]
    assert "Security events" in (jobs.state / "latest" / "report.html").read_text()
    run_green(jobs, *QUICK)
    assert jobs.report["security_events"] == []


def test_a_grant_of_somebody_elses_is_not_green(jobs: Jobs) -> None:
    run_green(jobs, *QUICK)
    with jobs.connect() as conn:
        conn.execute(f"grant select on analytics_internal.int_thing to {DEPLOYER}")
    done = jobs(*QUICK)
    assert done.exit_code == Exit.AUDIT
    assert f"analytics_internal.int_thing {DEPLOYER} has SELECT" in done.output
    assert jobs(*QUICK, "--no-audit").exit_code == Exit.GREEN


def test_after_a_failed_first_deploy_it_is_said_once_that_nothing_is_there(jobs: Jobs) -> None:
    jobs.project.internal("int_thing", INT_THING.replace("name", "nonsense"))
    done = jobs("--no-tests", "--no-check")
    assert done.exit_code == Exit.DEPLOY
    assert jobs.step("rows")["sentence"] == "nothing is deployed yet: there are no rows to count"
    assert done.output.count("nothing is deployed yet") == 1 and jobs.report["rows"]["datasets"] == {}


@contextmanager
def without_role(jobs: Jobs, role: str) -> Iterator[None]:
    """The role belongs to the whole server of the tests: it is set aside for a while."""
    with jobs.connect() as conn:
        conn.execute(f"alter role {role} rename to {role}_aside")
        try:
            yield
        finally:
            if conn.execute("select from pg_roles where rolname = %s", [role]).rowcount:
                conn.execute(f"drop owned by {role}; drop role {role}")
            conn.execute(f"alter role {role}_aside rename to {role}")


def test_without_the_role_of_readers_a_job_is_not_green(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a role that may not create it: whoever may does."""
    with jobs.connect() as conn:
        conn.execute(f"grant create on database {jobs.database} to {DEPLOYER}")
    for name, value in (
        ("HOST", str(jobs.server.socket_dir)),
        ("USER", DEPLOYER),
        ("DATABASE", jobs.database),
    ):
        monkeypatch.setenv(f"PG{name}", value)
    line = ("--target", "server", "--vars", "{source_schema: operational}", *QUICK)
    with without_role(jobs, "timeback_reader"):
        done = jobs(*line)
        assert done.exit_code == Exit.AUDIT, done.output
        assert "nobody can read the catalog, since the role timeback_reader is missing" in done.output
        assert "create role timeback_reader nologin" in done.output
    done = jobs(*line)
    assert done.exit_code == Exit.GREEN, done.output
    # the grants that there were none of before
    assert jobs.report["security_events"] == []
    with jobs.connect() as conn:
        assert conn.execute(
            "select has_table_privilege('timeback_reader', 'analytics.things', 'select')"
        ).fetchone() == (True,)


def test_the_hint_names_the_role_that_is_missing(jobs: Jobs) -> None:
    run_green(jobs, *QUICK)
    catalog = LiveCatalog("embedded", "analytics")
    assert "To have them: grant timeback_unrestricted" in catalog.why_not_everyone("Counts", "x")
    with without_role(jobs, "timeback_unrestricted"):
        hint = catalog.why_not_everyone("Counts", "x")
        with jobs.connect() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            conn.execute(f"grant usage on schema analytics to {DEPLOYER}")
            conn.execute(f"grant select on analytics.scoped_things to {DEPLOYER}")
            conn.execute(f"set role {DEPLOYER}; set app.allowed_org_ids = '*'")
            conn.execute("select * from analytics.scoped_things")
    assert "To have them: create role timeback_unrestricted nologin; grant" in hint
    assert "timeback_unrestricted, which is to be created first" in refused.value.diag.message_hint


def test_without_great_expectations_the_first_lines_say_so(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timeback_analytics.job.run.is_installed", lambda: False)
    first = jobs("--no-tests", "--no-rows").output.splitlines()[:2]
    assert "Great Expectations is not installed" in first[1]


def test_what_a_source_breaks_stands_below_it_with_rows(jobs: Jobs) -> None:
    """A key that stands twice fails tests of datasets; its own test only warns."""
    path = jobs.project.folder / "models" / "sources.yml"
    sources = yaml.safe_load(path.read_text())
    sources["sources"][0]["tables"][0]["columns"][0]["data_tests"] = [
        {"unique": {"config": {"severity": "warn"}}}
    ]
    path.write_text(yaml.safe_dump(sources))
    jobs.project.dataset(
        "things",
        "select id, name from {{ ref('int_thing') }}",
        {"id": "integer", "name": "text"},
        tests={"id": ["unique"]},
    )
    with jobs.connect() as conn:
        conn.execute("insert into operational.thing (id, name) values (2, 'two again')")
    done = jobs("--no-check", "--no-rows")
    assert done.exit_code == Exit.TESTS
    (cause,) = jobs.report["causes"]
    assert cause["sentence"] == "operational.thing.id is not unique: 1 value stands in more than one row."
    assert cause["breaks"] == ["unique_things_id"]
    assert cause["rows"] == ["unique_field: 2, n_records: 2"]
    assert jobs.step("tests")["details"][0].startswith("operational.thing.id is not unique")


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict], list[int]]]:
    """A local server's address, what was posted to it, and the codes that it answers with first."""
    posted: list[dict] = []
    codes: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = codes.pop(0) if codes else 200
            if code == 200:
                posted.append(json.loads(body))
            self.send_response(code)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", posted, codes
    server.shutdown()
    server.server_close()


def test_a_job_that_is_not_green_tells_the_webhook(
    jobs: Jobs,
    webhook: tuple[str, list[dict], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, posted, codes = webhook
    monkeypatch.setenv("TIMEBACK_ALERT_URL", url)
    run_green(jobs, *QUICK)
    assert posted == []
    with jobs.connect() as conn:
        conn.execute("alter table operational.thing rename column name to gone")
    codes.append(500)
    assert jobs(*QUICK).exit_code == Exit.SOURCES
    (message,) = posted
    assert message["exit_code"] == Exit.SOURCES and message["failed_steps"] == ["sources"]
    assert message["text"].startswith("TimeBack analytics, analytics in job_test: The sources are wrong")
    monkeypatch.setenv("TIMEBACK_ALERT_URL", "http://127.0.0.1:9/secret")
    monkeypatch.setattr("timeback_analytics.job.alert.TRIES", 1)
    done = jobs(*QUICK)
    assert done.exit_code == Exit.SOURCES
    assert "The alert webhook failed" in done.output and "secret" not in done.output


def test_status_tells_of_the_target_the_last_job_and_its_health(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By way of the folder where jobs leave their reports."""
    monkeypatch.setenv("PGHOST", str(jobs.server.socket_dir))
    monkeypatch.setenv("PGUSER", "postgres")
    monkeypatch.setenv("PGDATABASE", jobs.database)
    line = ["status", "--target", "server"]
    before = CliRunner().invoke(main, line)
    assert before.exit_code == 1 and "Health:            nothing is deployed" in before.output
    state = jobs.project.folder / ".timeback" / "jobs"
    job = [
        "job",
        "--target",
        "server",
        "--state",
        str(state),
        *QUICK,
        "--vars",
        "{source_schema: operational}",
    ]
    done = CliRunner().invoke(main, job)
    assert done.exit_code == Exit.GREEN, done.output
    told = CliRunner().invoke(main, line)
    assert told.exit_code == 0, told.output
    assert f"{jobs.database} on {jobs.server.socket_dir}, as postgres" in told.output
    assert "UTC: Green, after" in told.output and "nothing to report" in told.output
