"""The materialized mode (dbt var stored_facts): stored tables behind the same views, kept up by each run.

Both modes stand side by side in one database over the same operational tables, and must give the same rows
right after a refresh, whatever happened to the operational rows before it. A refresh is the very SQL that
dbt ran for a stored model (target/run), run again; dbt itself is started for what only it does.

TIMEBACK_HISTORIES is how many random histories to run (4 by default), TIMEBACK_SEED the first one's seed (0).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import Dbt
from stored_histories import OTHER, STUDENT, History
from stored_mode import StoredRefreshes
from timeback_analytics.audit import find_breaches
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

HISTORIES = int(os.environ.get("TIMEBACK_HISTORIES", "4"))
FIRST_SEED = int(os.environ.get("TIMEBACK_SEED", "0"))
STEPS = 12
STORED = ("--vars", "{stored_facts: true}")
LIVE_SCHEMA = "live"
DATABASE = "modes"
TEMPLATE = "modes_template"


# -- a database with both modes ----------------------------------------------------------------------


@dataclass(frozen=True)
class Modes(StoredRefreshes):
    """A database with the catalog stored in `analytics` and live in `live`, and how a refresh is done."""

    def refresh(self, conn: psycopg.Connection) -> None:
        """Bring every stored table up to date, each in a transaction of its own, as dbt does."""
        for model in self.scripts:
            self.run(conn, model)


@pytest.fixture(scope="module")
def both(
    embedded_server: EmbeddedServer, new_database: Callable[..., str], dbt: Dbt, short_tmp: Path
) -> Modes:
    """Both modes over empty operational tables, in a database whose copy is TEMPLATE."""
    name = new_database(DATABASE)
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        create_operational_schema(conn, "operational")
    dbt(name, "run", env={"TIMEBACK_SCHEMA": LIVE_SCHEMA})
    dbt(name, "run", "--write-json", *STORED)
    modes = Modes.of(short_tmp / "target", name)
    assert {"attempts", "sessions", "sessions_waste", "waste_insights", "students_xp"} <= set(modes.datasets)
    new_database(TEMPLATE, template=name)
    return modes


@pytest.fixture
def modes(both: Modes, new_database: Callable[..., str]) -> Modes:
    """Both modes in a database of the test's own, always of the name that the refreshes' SQL has in it."""
    new_database(both.database, template=TEMPLATE)
    return both


@pytest.fixture
def conn(modes: Modes, embedded_server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A connection to it, in autocommit, `operational` first in search_path."""
    with psycopg.connect(
        embedded_server.dsn(modes.database), autocommit=True, prepare_threshold=None
    ) as connection:
        connection.execute("set search_path = operational")
        yield connection


# -- random histories --------------------------------------------------------------------------------


def run_history(seed: int, modes: Modes, conn: psycopg.Connection, dsn: str, *, ballast: bool) -> str | None:
    """Runs a history with a refresh after each step; gives the first difference between the modes, if any."""
    history = History(seed, dsn)
    try:
        history.load(share=0.5)
        if ballast:
            history.load_ballast()
        for step in range(STEPS):
            history.told.append(f"step {step}")
            if step:
                history.step()
            modes.refresh(conn)
            if found := modes.differences(conn, history.scopes()):
                return (
                    f"seed {seed}, step {step} (again: TIMEBACK_SEED={seed} TIMEBACK_HISTORIES=1):\n"
                    + "\n".join([*found, *history.told])
                )
        views = conn.execute(
            "select relname from pg_class where relnamespace = 'live'::regnamespace and relkind = 'v'"
        ).fetchall()
        found = modes.differences(conn, history.scopes(), [name for (name,) in views])
        return f"seed {seed}, at the end: {found}" if found else None
    finally:
        history.close()


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + HISTORIES))
def test_both_modes_give_the_same_rows_after_any_history(
    seed: int, modes: Modes, conn: psycopg.Connection, embedded_server: EmbeddedServer
) -> None:
    """In one of four histories nearly every step changes a fifth of the rows, so that all are recomputed."""
    dsn = embedded_server.dsn(modes.database)
    if difference := run_history(seed, modes, conn, dsn, ballast=seed % 4 != 0):
        pytest.fail(difference, pytrace=False)


# -- what a refresh must notice, one at a time -------------------------------------------------------


def _attempt(conn: psycopg.Connection, attempt: str, resource: str = "r", start: str = "10:00") -> None:
    conn.execute(
        """insert into operational.caliper_attempt
        (id, assignee_id, assignable_id, started_at_time, date_created, date_last_modified)
        values (%s, %s, %s, %s, '2020-01-01', '2020-01-01')""",
        [attempt, STUDENT, resource, f"2026-01-01 {start}Z"],
    )


def _score(conn: psycopg.Connection, score: str, attempt: str, given: int) -> None:
    conn.execute(
        "insert into operational.caliper_score (id, attempt_id, score_given, max_score, date_created)"
        " values (%s, %s, %s, 1, '2020-01-01')",
        [score, attempt, given],
    )


def _stored(conn: psycopg.Connection) -> list[tuple]:
    return conn.execute(
        "select resource_id, attempt_id, is_correct from analytics_internal.int_attempt_stored "
        "inner join analytics_internal.int_attempt_stored_ids using (student_id, resource_id) order by 1"
    ).fetchall()


def _state(conn: psycopg.Connection, model: str = "int_attempt_stored") -> dict[str, dict[str, Any]]:
    """source -> what the model noted of it at its last refresh."""
    rows = conn.execute(
        "select to_jsonb(refresh_state) from analytics_internal.refresh_state where model_name = %s", [model]
    )
    return {row["source_name"]: row for (row,) in rows}


def _deploy_again(conn: psycopg.Connection, modes: Modes) -> None:
    """Has both modes read the table that is called caliper_score by now."""
    for schema in ("analytics_internal", "live_internal"):
        conn.execute(
            f"create or replace view {schema}.stg_caliper_score as {modes.queries['stg_caliper_score']}"
        )


def _own_internal_schema(conn: psycopg.Connection, role: str) -> None:
    """Gives a role the internal schema and everything in it that a run would have made as that role."""
    conn.execute(f"alter schema analytics_internal owner to {role}")
    relations = conn.execute(
        """select oid::regclass::text from pg_catalog.pg_class
        where relnamespace = 'analytics_internal'::regnamespace and relkind in ('r', 'v')"""
    ).fetchall()
    for (relation,) in relations:
        conn.execute(f"alter table {relation} owner to {role}")


def test_a_refresh_recomputes_what_changed_and_no_more(modes: Modes, conn: psycopg.Connection) -> None:
    for number in range(40):
        _attempt(conn, f"a{number}", f"r{number}")
        _score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    assert all(row["is_whole"] and row["added_rows"] == 40 for row in _state(conn).values())

    def written(change: str) -> tuple[bool, int, int]:
        conn.execute(change)
        modes.refresh(conn)
        assert modes.differences(conn, ["*"]) == []
        state = _state(conn)["caliper_score"]
        return state["is_whole"], state["removed_rows"], state["added_rows"]

    assert written("select") == (False, 0, 0)
    assert written("update caliper_score set score_given = 0 where id = 's1'") == (False, 1, 1)
    assert written("update caliper_score set score_given = 0 where id = 's1'") == (False, 0, 0)
    assert written("delete from caliper_score where id = 's2'") == (False, 1, 1)
    assert written("update caliper_score set attempt_id = 'a4' where id = 's3'") == (False, 1, 1)
    assert written("delete from caliper_attempt where id = 'a5'") == (False, 1, 0)
    # another attempt is the first one on r7, with the same result: only the ids beside the row differ
    assert written("update caliper_attempt set assignable_id = 'r7' where id = 'a6'") == (False, 1, 0)
    assert ("r7", "a6", True) in _stored(conn)
    # an earlier first attempt, which says of itself that it is years old
    _attempt(conn, "late", "r8", "09:00")
    assert written("select") == (False, 1, 1)
    assert written("delete from caliper_attempt where id = 'late'") == (False, 1, 1)
    assert written("update caliper_score set score_given = 0 where attempt_id < 'a4'")[0] is True


def test_a_transaction_that_was_open_during_a_refresh_is_not_missed(
    modes: Modes, conn: psycopg.Connection, embedded_server: EmbeddedServer
) -> None:
    """Whatever it wrote, and in which of its subtransactions; rows that another one wrote beside it too."""
    for number in range(40):
        _attempt(conn, f"a{number}", f"r{number}")
        _score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    with psycopg.connect(embedded_server.dsn(modes.database)) as writer:
        writer.execute("update operational.caliper_score set score_given = 0 where id = 's1'")
        with writer.transaction():
            _attempt(writer, "early", "r2", "08:00")
        # read by the next refresh, though younger than the open transaction, then deleted
        _score(conn, "t3", "a3", 0)
        modes.refresh(conn)
        assert modes.differences(conn, ["*"]) == []
        conn.execute("delete from caliper_score where id = 't3'")
        writer.commit()
    modes.refresh(conn)
    assert modes.differences(conn, ["*"]) == []
    assert not _state(conn)["caliper_score"]["is_whole"]
    assert [row for row in _stored(conn) if row[0] in ("r1", "r2", "r3")] == [
        ("r1", "a1", False),
        ("r2", "early", None),
        ("r3", "a3", True),
    ]
    assert conn.execute("select count(*) from analytics_internal.refresh_pending").fetchone() == (0,)


def test_an_event_that_leaves_one_of_its_attempts(modes: Modes, conn: psycopg.Connection) -> None:
    """Both attempts had their session from it; the one that it stays with says nothing of the other."""
    for number in range(40):
        _attempt(conn, f"a{number}", f"r{number}")
    conn.execute(
        """insert into caliper_event (id, type, action, generated_id, object_id, session_id, event_time)
        select 'e' || n, 'Event', 'Used', 'a' || n, 'a' || (n + 1), 's', now()
        from generate_series(0, 38) as n"""
    )
    modes.refresh(conn)
    conn.execute("update caliper_event set object_id = 'a30' where id = 'e1'")
    modes.refresh(conn)
    assert not _state(conn)["caliper_event"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


def test_a_review_that_is_gone_confirms_an_insight(modes: Modes, conn: psycopg.Connection) -> None:
    """Of one that nobody may see, what would bring it back is stored too; its type counts as well."""
    conn.execute(
        """insert into insights_type values (%(type)s, 'Idling', 'Engagement', 'external', true);
        insert into insights_config values (%(type)s, true)""".replace("%(type)s", f"'{OTHER}'")
    )
    conn.execute(
        """insert into insights_session (id, caliper_session_id, user_id, application_id, date_last_modified)
        select md5(n::text)::uuid, 's' || n, %(student)s, %(student)s, now()
        from generate_series(1, 40) as n""",
        {"student": STUDENT},
    )
    conn.execute(
        """insert into insights_insight
        select id, id, %s, '2026-01-01 10:00Z', '2026-01-01 10:01Z', '', true, now() from insights_session""",
        [OTHER],
    )
    conn.execute(
        """insert into insights_review select id, id, 'TruePositive', '2026-01-02' from insights_session;
        insert into insights_review select %s, id, 'FalsePositive', '2026-01-03'
        from insights_session where caliper_session_id = 's7'""".replace("%s", f"'{STUDENT}'")
    )

    def seconds() -> list[tuple]:
        modes.refresh(conn)
        assert modes.differences(conn, ["*"]) == []
        return conn.execute(
            """select waste_sec from analytics_internal.int_session_insight_time_stored
            where session_id = 's7'"""
        ).fetchall()

    assert seconds() == [(None,)]
    conn.execute("delete from insights_review where result = 'FalsePositive'")
    assert seconds() == [(60,)]
    assert not _state(conn, "int_insight_stored")["insights_review"]["is_whole"]
    conn.execute("update insights_config set requires_review = false")
    conn.execute("delete from insights_review")
    assert seconds() == [(60,)]
    conn.execute("update insights_type set visibility = 'internal'")
    assert seconds() == [(None,)]
    assert _state(conn, "int_insight_stored")["insights_review"]["is_whole"]


@pytest.mark.parametrize(
    "change",
    [
        # rows come and go without a transaction that wrote them
        "create table part (like caliper_score); insert into part select * from caliper_score;"
        " truncate caliper_score; alter table part inherit caliper_score",
        "alter table caliper_score rename to old_score;"
        " create table caliper_score (like old_score including all);"
        " insert into caliper_score select * from old_score where id <> 's1'",
        "update analytics_internal.refresh_state set fingerprint = 'of another database'",
        "update analytics_internal.refresh_state set horizon = '999999999'",
    ],
    ids=["a partition", "another table of the name", "another database", "another server"],
)
def test_everything_is_recomputed_when_changes_cannot_be_known(
    change: str, modes: Modes, conn: psycopg.Connection
) -> None:
    for number in range(3):
        _attempt(conn, f"a{number}", f"r{number}")
        _score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    modes.refresh(conn)
    assert not _state(conn)["caliper_score"]["is_whole"]
    conn.execute(change)
    if "rename" in change:
        _deploy_again(conn, modes)
    modes.refresh(conn)
    assert _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


def test_a_partitioned_table_is_read_with_its_partitions(modes: Modes, conn: psycopg.Connection) -> None:
    conn.execute("alter table caliper_score rename to old_score")
    conn.execute(
        "create table caliper_score (like old_score including defaults, primary key (id))"
        " partition by hash (id)"
    )
    for part in range(3):
        conn.execute(
            f"create table score_{part} partition of caliper_score "
            f"for values with (modulus 3, remainder {part})"
        )
    _deploy_again(conn, modes)
    for number in range(40):
        _attempt(conn, f"a{number}", f"r{number}")
        _score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    for number in range(4):
        conn.execute(f"update caliper_score set score_given = 0 where id = 's{number}'")
    conn.execute("delete from caliper_score where id = 's9'")
    modes.refresh(conn)
    state = _state(conn)["caliper_score"]
    assert (state["is_whole"], state["changed_rows"], state["removed_rows"]) == (False, 4, 5)
    assert modes.differences(conn, ["*"]) == []
    # its rows go without a transaction that removed them
    conn.execute("alter table caliper_score detach partition score_0")
    modes.refresh(conn)
    assert _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


def test_the_deploying_role_needs_no_more_than_for_views(modes: Modes, conn: psycopg.Connection) -> None:
    """It reads the operational tables and owns the internal schema; what a policy hides cannot be known."""
    for number in range(3):
        _attempt(conn, f"a{number}", f"r{number}")
        _score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    script = modes.scripts["int_attempt_stored"]

    def refreshed() -> tuple[bool, list[tuple]]:
        with conn.transaction(force_rollback=True):
            conn.execute("set local role stored_deployer")
            conn.execute(script)
            return _state(conn)["caliper_score"]["is_whole"], _stored(conn)

    with conn.transaction(force_rollback=True):
        conn.execute("set transaction isolation level repeatable read")
        conn.execute("create role stored_deployer")
        conn.execute("grant usage on schema operational to stored_deployer")
        conn.execute("grant select on all tables in schema operational to stored_deployer")
        _own_internal_schema(conn, "stored_deployer")
        _score(conn, "t0", "a0", 0)
        expected = [("r0", "a0", False), ("r1", "a1", True), ("r2", "a2", True)]
        assert refreshed() == (False, expected)

        conn.execute("alter table caliper_score enable row level security")
        assert refreshed() == (True, [(resource, attempt, None) for resource, attempt, _ in expected])


def test_a_refresh_that_fails_leaves_the_last_good_state(modes: Modes, conn: psycopg.Connection) -> None:
    _attempt(conn, "a1", "r1")
    modes.refresh(conn)
    before = _stored(conn), _state(conn)
    _attempt(conn, "a2", "r2")
    conn.execute(
        "alter table analytics_internal.int_attempt_stored add constraint none check (resource_id <> 'r2')"
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        modes.refresh(conn)
    assert (_stored(conn), _state(conn)) == before
    conn.execute("alter table analytics_internal.int_attempt_stored drop constraint none")
    modes.refresh(conn)
    assert modes.differences(conn, ["*"]) == []


def test_two_refreshes_at_once_take_turns(
    modes: Modes, conn: psycopg.Connection, embedded_server: EmbeddedServer
) -> None:
    """The second one waits before it looks, so that it neither fails nor undoes what the first one did."""

    _attempt(conn, "a1", "r1")
    modes.refresh(conn)
    script = modes.scripts["int_attempt_stored"]
    with psycopg.connect(embedded_server.dsn(modes.database)) as first:
        _attempt(conn, "a2", "r2")
        first.execute(script)
        failures: list[Exception] = []

        def refresh() -> None:
            try:
                with psycopg.connect(embedded_server.dsn(modes.database)) as second:
                    second.execute(script)
            except psycopg.Error as error:
                failures.append(error)

        thread = threading.Thread(target=refresh)
        thread.start()
        while not conn.execute("select from pg_locks where not granted").fetchall():
            assert thread.is_alive()
        _attempt(conn, "a3", "r3")
        first.commit()
        thread.join()
    assert failures == []
    assert modes.differences(conn, ["*"]) == []
    assert len(_stored(conn)) == 3


# -- the mode as a whole -----------------------------------------------------------------------------


def test_readers_have_no_right_on_what_is_stored(
    modes: Modes, conn: psycopg.Connection, short_tmp: Path
) -> None:
    """And the rules for a live catalog hold, with the tables in the internal schema."""
    rights = dict(
        conn.execute(
            """select relname::text,
                has_table_privilege('timeback_reader', pg_class.oid, 'select, insert, update, delete')
            from pg_catalog.pg_class
            where relnamespace = 'analytics_internal'::regnamespace and relkind = 'r'"""
        ).fetchall()
    )
    ids = {f"{model}_ids" for model in modes.scripts}
    assert rights.keys() > {*modes.scripts, *ids, "refresh_pending", "refresh_state", "refresh_fill"}
    assert not any(rights.values())
    manifest = json.loads((short_tmp / "target" / "manifest.json").read_text())
    conn.execute("reset search_path")
    assert find_breaches(conn, manifest) == []


def _stop_the_first_fill(demo: psycopg.Connection) -> dict[str, Any]:
    """Has the table of attempts refuse a student in the middle; gives an attempt of the first one."""
    demo.execute(
        """set search_path = analytics_internal;
        create table int_attempt_stored as
        select student_id, resource_id, session_id, date, start_time, end_time, duration_sec, is_correct
        from int_attempt_live with no data;
        do $$
        begin
            execute format(
                'alter table int_attempt_stored add constraint stop check (student_id <> %L)',
                (
                    select percentile_disc(0.6) within group (order by student_id)
                    from int_attempt_live
                )
            );
        end
        $$;
        reset search_path"""
    )
    (row,) = demo.execute(
        "select to_jsonb(caliper_attempt) from operational.caliper_attempt order by assignee_id limit 1"
    ).fetchone()
    return row


def test_dbt_itself(
    modes: Modes,
    dbt: Dbt,
    demo_database: str,
    new_database: Callable[..., str],
    embedded_server: EmbeddedServer,
) -> None:
    """Over the demo: every test of what stands on stored models, a full refresh, another time zone, and back.

    The views keep their identity all the way: a switch of the mode is a replacement in place.
    """
    database = new_database("modes_demo", template=demo_database)
    above_stored = ("--select", "2+config.materialized:incremental+")
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as demo:

        def views() -> list[tuple]:
            return demo.execute(
                """select relname, oid from pg_catalog.pg_class where relkind = 'v'
                and relname in ('int_attempts', 'int_students_xp', 'int_sessions', 'attempts', 'students_xp')
                order by 1, 2"""
            ).fetchall()

        def rows(dataset: str) -> list[tuple]:
            demo.execute("set app.allowed_org_ids = '*'")
            return sorted(demo.execute(f"select {dataset}::text from analytics.{dataset}").fetchall())

        live_views, live_rows = views(), {name: rows(name) for name in modes.datasets}
        small_batches = ("--vars", "{stored_facts: true, stored_fill_rows: 400}")
        gone = _stop_the_first_fill(demo)
        stopped = dbt(database, "run", "--select", "2+int_attempt_stored+", *small_batches, check=False)
        assert stopped.returncode != 0 and "int_attempt_stored: batch 1 of" in stopped.stdout
        assert views() == live_views and {name: rows(name) for name in modes.datasets} == live_rows
        filled = demo.execute("select count(rows), count(*) from analytics_internal.refresh_fill").fetchone()
        assert 1 < filled[0] < filled[1] - 1, filled

        demo.execute("delete from operational.caliper_attempt where id = %s", [gone["id"]])
        demo.execute("alter table analytics_internal.int_attempt_stored drop constraint stop")
        said = dbt(database, "build", *above_stored, *small_batches).stdout
        assert f"int_attempt_stored: the first fill goes on after {filled[0]} of {filled[1]} batches" in said
        assert f"int_attempt_stored: batch {filled[1]} of {filled[1]}" in said
        assert "int_session_stored: batch" in said and "int_insight_stored: batch" in said
        assert demo.execute("select from analytics_internal.refresh_fill").fetchall() == []
        columns = "student_id, resource_id, session_id, date, start_time, end_time, duration_sec, is_correct"
        (stored,), (different,) = demo.execute(
            f"""select count(*) from analytics_internal.int_attempt_stored
            union all
            select count(*) from (
                (select {columns} from analytics_internal.int_attempt_live)
                except all (select {columns} from analytics_internal.int_attempt_stored)
            ) as missing"""
        ).fetchall()
        state = _state(demo)["caliper_event"]
        # the row of the attempt that went was filled before it went
        assert (different, stored) == (0, state["added_rows"] - 1)
        assert state["is_whole"] and state["removed_rows"] == 1

        names = ", ".join(gone)
        demo.execute(
            f"insert into operational.caliper_attempt ({names}) select {names} "
            "from jsonb_populate_record(null::operational.caliper_attempt, %s)",
            [json.dumps(gone)],
        )
        dbt(database, "run", *above_stored, *STORED, "--full-refresh")
        state = _state(demo)["caliper_event"]
        # the attempt that came back among them
        assert state["removed_rows"] + 1 == state["added_rows"] > 1000
        assert {name: rows(name) for name in modes.datasets} == live_rows

        demo.execute(
            """update operational.caliper_score set score_given = score_given
            where id in (select id from operational.caliper_score order by id limit 10)"""
        )
        run = ("run", *above_stored, "--vars")
        dbt(database, *run, "{stored_facts: true}")
        state = _state(demo)["caliper_score"]
        assert (state["is_whole"], state["changed_rows"]) == (False, 10)
        assert {name: rows(name) for name in modes.datasets} == live_rows

        dbt(database, *run, "{stored_facts: true, timezone: Pacific/Kiritimati}")
        assert _state(demo)["caliper_event"]["is_whole"]
        assert rows("attempts") != live_rows["attempts"]

        of_the_time_zone = (
            "int_attempt_live int_aggregated_session_attempts stg_tb_xp_ledger stg_caliper_session"
        )
        behind = "int_attempts int_sessions int_students_xp int_confirmed_insight int_session_insight_time"
        dbt(database, "run", "--select", f"{of_the_time_zone} {behind} students_xp")
        assert {name: rows(name) for name in modes.datasets} == live_rows
        assert views() == live_views


def test_what_an_earlier_version_read_changes_with_is_removed(
    dbt: Dbt, demo_database: str, new_database: Callable[..., str], embedded_server: EmbeddedServer
) -> None:
    """Its slot is an administrator's: each run warns of it, in either mode, until it is dropped."""
    database = new_database("modes_demo", template=demo_database)
    only_stored = ("run", "--select", "int_xp_total_stored", *STORED)
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as demo:
        dbt(database, "run", "--select", "2+int_xp_total_stored", *STORED)
        demo.execute(
            """set search_path = analytics_internal;
            create table refresh_log (slot_name name primary key, log_id uuid not null, collected_to pg_lsn);
            create table refresh_log_source (source_name text primary key, relation oid, feed text);
            create table refresh_change (model_name text, source_name text, row_id text);
            create function read_change_log(name, pg_lsn, integer) returns void language sql return null;
            create function collect_changes(name, jsonb, integer) returns void language sql return null;
            alter table refresh_state add column feed text;
            update refresh_state set feed = 'the log';
            insert into refresh_log values ('modes_slot', gen_random_uuid(), '0/0');
            -- and how it stored facts: with the ids of their sources, and XP as entries
            alter table int_xp_total_stored add column xp_ledger_id uuid;
            drop table int_xp_total_stored_ids;
            create table int_xp_entry_stored as table int_xp_total_stored;
            create view reads_entries as table int_xp_entry_stored"""
        )
        demo.execute("select pg_create_physical_replication_slot('modes_slot')")
        try:
            drop = "select pg_drop_replication_slot('modes_slot');"
            said = dbt(database, *only_stored).stdout
            assert drop in said and "int_xp_total_stored has other columns than before" in said
            demo.execute("drop view reads_entries")
            assert {row["is_whole"] for row in _state(demo, "int_xp_total_stored").values()} == {True}
            assert drop in dbt(database, "run", "--select", "students").stdout
        finally:
            demo.execute("select pg_drop_replication_slot('modes_slot')")
        assert "slot" not in dbt(database, *only_stored).stdout
        assert {row["is_whole"] for row in _state(demo, "int_xp_total_stored").values()} == {False}
        left = demo.execute(
            """select relname from pg_class
            where
                relnamespace = 'analytics_internal'::regnamespace
                and relname ~ '^refresh_(log|change)|int_xp_entry_stored'
            union all
            select proname from pg_proc
            where pronamespace = 'analytics_internal'::regnamespace and proname ~ 'change'"""
        ).fetchall()
        assert left == []
        totals, ids, live, taken_out = demo.execute(
            """select
                (select count(*) from int_xp_total_stored),
                (select count(*) from int_xp_total_stored_ids),
                (select count(*) from int_xp_total_live),
                (
                    select count(*) from pg_attribute
                    where attrelid = 'int_xp_total_stored'::regclass and attname = 'xp_ledger_id'
                )"""
        ).fetchone()
        assert (totals, ids, taken_out) == (live, live, 0)
        assert "feed" not in _state(demo, "int_xp_total_stored")["caliper_event"]
