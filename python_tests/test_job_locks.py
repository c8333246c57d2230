# ruff: noqa: F811  fixtures of job_kit are named as parameters
"""timeback job: one at a time, what it waits for, and what follows when it is killed or cut off."""

import os
import signal
import threading
import time
from dataclasses import replace

import psycopg
import pytest

from job_kit import COLUMNS, LOCK, READER, THINGS, ended, jobs, take_lock, template  # noqa: F401
from soak.readers import Readers
from timeback_analytics.job import interruption as job_interruption
from timeback_analytics.job import lock as job_lock
from timeback_analytics.job import run as job_run
from timeback_analytics.job.lock import JobLock, is_connection_trouble
from timeback_analytics.job.outcome import Exit, Step
from timeback_analytics.job.plan import PLAN
from timeback_analytics.job.work import Work

pytestmark = pytest.mark.takes_long


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
