# ruff: noqa: F811  fixtures of job_kit are named as parameters
"""timeback job with stored facts: what is refreshed, what the report tells of it, and what a kill leaves."""

from typing import Any

import pytest

from job_kit import Jobs, ended, jobs, template  # noqa: F401
from timeback_analytics.job.outcome import Exit
from timeback_analytics.job.refreshes import Refreshes

pytestmark = pytest.mark.takes_long

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
    assert result.exit_code == Exit.USAGE and "is not a dict" in result.output


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
