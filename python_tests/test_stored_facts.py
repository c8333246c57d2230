"""The materialized mode (dbt var stored_facts): stored tables behind the same views, kept up by each run.

Both modes stand side by side in one database over the same operational tables, and must give the same rows
right after a refresh, whatever happened to the operational rows before it. A refresh is the very SQL that
dbt ran for a stored model (target/run), run again; what only dbt does is in test_stored_mode.py.

TIMEBACK_HISTORIES is how many random histories to run (4 by default), TIMEBACK_SEED the first one's seed (0).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from conftest import Dbt
from stored_histories import OTHER, STUDENT, add_attempt, add_score, run_history
from stored_mode import STORED, StoredRefreshes, refresh_state
from timeback_analytics.audit import find_breaches
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

HISTORIES = int(os.environ.get("TIMEBACK_HISTORIES", "4"))
FIRST_SEED = int(os.environ.get("TIMEBACK_SEED", "0"))
LIVE_SCHEMA = "live"
DATABASE = "modes"
TEMPLATE = "modes_template"


# -- a database with both modes ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(
    embedded_server: EmbeddedServer, new_database: Callable[..., str], dbt: Dbt, short_tmp: Path
) -> StoredRefreshes:
    """Both modes over empty operational tables, in a database whose copy is TEMPLATE."""
    name = new_database(DATABASE)
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        create_operational_schema(conn, "operational")
    dbt(name, "run", env={"TIMEBACK_SCHEMA": LIVE_SCHEMA})
    dbt(name, "run", "--write-json", *STORED)
    modes = StoredRefreshes.of(short_tmp / "target", name)
    assert {"attempts", "sessions", "sessions_waste", "waste_insights", "students_xp"} <= set(modes.datasets)
    new_database(TEMPLATE, template=name)
    return modes


@pytest.fixture
def modes(both: StoredRefreshes, new_database: Callable[..., str]) -> StoredRefreshes:
    """Both modes in a database of the test's own, always of the name that the refreshes' SQL has in it."""
    new_database(both.database, template=TEMPLATE)
    return both


@pytest.fixture
def conn(modes: StoredRefreshes, embedded_server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A connection to it, in autocommit, `operational` first in search_path."""
    with psycopg.connect(
        embedded_server.dsn(modes.database), autocommit=True, prepare_threshold=None
    ) as connection:
        connection.execute("set search_path = operational")
        yield connection


# -- random histories --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + HISTORIES))
def test_both_modes_give_the_same_rows_after_any_history(
    seed: int, modes: StoredRefreshes, conn: psycopg.Connection, embedded_server: EmbeddedServer
) -> None:
    """In one of four histories nearly every step changes a fifth of the rows, so that all are recomputed."""
    dsn = embedded_server.dsn(modes.database)
    if difference := run_history(seed, modes, conn, dsn, ballast=seed % 4 != 0):
        pytest.fail(difference, pytrace=False)


# -- what a refresh must notice, one at a time -------------------------------------------------------


def _stored(conn: psycopg.Connection) -> list[tuple]:
    return conn.execute(
        "select resource_id, attempt_id, is_correct from analytics_internal.int_attempt_stored "
        "inner join analytics_internal.int_attempt_stored_ids using (student_id, resource_id) order by 1"
    ).fetchall()


def _deploy_again(conn: psycopg.Connection, modes: StoredRefreshes) -> None:
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


def test_a_refresh_recomputes_what_changed_and_no_more(
    modes: StoredRefreshes, conn: psycopg.Connection
) -> None:
    for number in range(40):
        add_attempt(conn, f"a{number}", f"r{number}")
        add_score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    assert all(row["is_whole"] and row["added_rows"] == 40 for row in refresh_state(conn).values())

    def written(change: str) -> tuple[bool, int, int]:
        conn.execute(change)
        modes.refresh(conn)
        assert modes.differences(conn, ["*"]) == []
        state = refresh_state(conn)["caliper_score"]
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
    add_attempt(conn, "late", "r8", "09:00")
    assert written("select") == (False, 1, 1)
    assert written("delete from caliper_attempt where id = 'late'") == (False, 1, 1)
    assert written("update caliper_score set score_given = 0 where attempt_id < 'a4'")[0] is True


def test_a_transaction_that_was_open_during_a_refresh_is_not_missed(
    modes: StoredRefreshes, conn: psycopg.Connection, embedded_server: EmbeddedServer
) -> None:
    """Whatever it wrote, and in which of its subtransactions; rows that another one wrote beside it too."""
    for number in range(40):
        add_attempt(conn, f"a{number}", f"r{number}")
        add_score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    with psycopg.connect(embedded_server.dsn(modes.database)) as writer:
        writer.execute("update operational.caliper_score set score_given = 0 where id = 's1'")
        with writer.transaction():
            add_attempt(writer, "early", "r2", "08:00")
        # read by the next refresh, though younger than the open transaction, then deleted
        add_score(conn, "t3", "a3", 0)
        modes.refresh(conn)
        assert modes.differences(conn, ["*"]) == []
        conn.execute("delete from caliper_score where id = 't3'")
        writer.commit()
    modes.refresh(conn)
    assert modes.differences(conn, ["*"]) == []
    assert not refresh_state(conn)["caliper_score"]["is_whole"]
    assert [row for row in _stored(conn) if row[0] in ("r1", "r2", "r3")] == [
        ("r1", "a1", False),
        ("r2", "early", None),
        ("r3", "a3", True),
    ]
    assert conn.execute("select count(*) from analytics_internal.refresh_pending").fetchone() == (0,)


def test_an_event_that_leaves_one_of_its_attempts(modes: StoredRefreshes, conn: psycopg.Connection) -> None:
    """Both attempts had their session from it; the one that it stays with says nothing of the other."""
    for number in range(40):
        add_attempt(conn, f"a{number}", f"r{number}")
    conn.execute(
        """insert into caliper_event (id, type, action, generated_id, object_id, session_id, event_time)
        select 'e' || n, 'Event', 'Used', 'a' || 2 * n, 'a' || (2 * n + 1), 's', now()
        from generate_series(0, 19) as n"""
    )
    modes.refresh(conn)
    conn.execute("update caliper_event set object_id = 'a30' where id = 'e1'")
    modes.refresh(conn)
    assert not refresh_state(conn)["caliper_event"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


def test_a_review_that_is_gone_confirms_an_insight(modes: StoredRefreshes, conn: psycopg.Connection) -> None:
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
    assert not refresh_state(conn, "int_insight_stored")["insights_review"]["is_whole"]
    conn.execute("update insights_config set requires_review = false")
    conn.execute("delete from insights_review")
    assert seconds() == [(60,)]
    conn.execute("update insights_type set visibility = 'internal'")
    assert seconds() == [(None,)]
    assert refresh_state(conn, "int_insight_stored")["insights_review"]["is_whole"]


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
    change: str, modes: StoredRefreshes, conn: psycopg.Connection
) -> None:
    for number in range(3):
        add_attempt(conn, f"a{number}", f"r{number}")
        add_score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    modes.refresh(conn)
    assert not refresh_state(conn)["caliper_score"]["is_whole"]
    conn.execute(change)
    if "rename" in change:
        _deploy_again(conn, modes)
    modes.refresh(conn)
    assert refresh_state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


def test_a_partitioned_table_is_read_with_its_partitions(
    modes: StoredRefreshes, conn: psycopg.Connection
) -> None:
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
        add_attempt(conn, f"a{number}", f"r{number}")
        add_score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    for number in range(4):
        conn.execute(f"update caliper_score set score_given = 0 where id = 's{number}'")
    conn.execute("delete from caliper_score where id = 's9'")
    modes.refresh(conn)
    state = refresh_state(conn)["caliper_score"]
    assert (state["is_whole"], state["changed_rows"], state["removed_rows"]) == (False, 4, 5)
    assert modes.differences(conn, ["*"]) == []
    # its rows go without a transaction that removed them
    conn.execute("alter table caliper_score detach partition score_0")
    modes.refresh(conn)
    assert refresh_state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


def test_the_deploying_role_needs_no_more_than_for_views(
    modes: StoredRefreshes, conn: psycopg.Connection
) -> None:
    """It reads the operational tables and owns the internal schema; what a policy hides cannot be known."""
    for number in range(3):
        add_attempt(conn, f"a{number}", f"r{number}")
        add_score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    script = modes.scripts["int_attempt_stored"]

    def refreshed() -> tuple[bool, list[tuple]]:
        with conn.transaction(force_rollback=True):
            conn.execute("set local role stored_deployer")
            conn.execute(script)
            return refresh_state(conn)["caliper_score"]["is_whole"], _stored(conn)

    with conn.transaction(force_rollback=True):
        conn.execute("set transaction isolation level repeatable read")
        conn.execute("create role stored_deployer")
        conn.execute("grant usage on schema operational to stored_deployer")
        conn.execute("grant select on all tables in schema operational to stored_deployer")
        _own_internal_schema(conn, "stored_deployer")
        add_score(conn, "t0", "a0", 0)
        expected = [("r0", "a0", False), ("r1", "a1", True), ("r2", "a2", True)]
        assert refreshed() == (False, expected)

        conn.execute("alter table caliper_score enable row level security")
        assert refreshed() == (True, [(resource, attempt, None) for resource, attempt, _ in expected])


def test_a_refresh_that_fails_leaves_the_last_good_state(
    modes: StoredRefreshes, conn: psycopg.Connection
) -> None:
    add_attempt(conn, "a1", "r1")
    modes.refresh(conn)
    before = _stored(conn), refresh_state(conn)
    add_attempt(conn, "a2", "r2")
    conn.execute(
        "alter table analytics_internal.int_attempt_stored add constraint none check (resource_id <> 'r2')"
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        modes.refresh(conn)
    assert (_stored(conn), refresh_state(conn)) == before
    conn.execute("alter table analytics_internal.int_attempt_stored drop constraint none")
    modes.refresh(conn)
    assert modes.differences(conn, ["*"]) == []


def test_two_refreshes_at_once_take_turns(
    modes: StoredRefreshes, conn: psycopg.Connection, embedded_server: EmbeddedServer
) -> None:
    """The second one waits before it looks, so that it neither fails nor undoes what the first one did."""

    add_attempt(conn, "a1", "r1")
    modes.refresh(conn)
    script = modes.scripts["int_attempt_stored"]
    with psycopg.connect(embedded_server.dsn(modes.database)) as first:
        add_attempt(conn, "a2", "r2")
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
        add_attempt(conn, "a3", "r3")
        first.commit()
        thread.join()
    assert failures == []
    assert modes.differences(conn, ["*"]) == []
    assert len(_stored(conn)) == 3


# -- the mode as a whole -----------------------------------------------------------------------------


def test_readers_have_no_right_on_what_is_stored(
    modes: StoredRefreshes, conn: psycopg.Connection, short_tmp: Path
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
