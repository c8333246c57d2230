"""The materialized mode (dbt var stored_facts): stored tables behind the same views, kept up by each run.

Both modes stand side by side in one database over the same operational tables, and must give the same rows
right after a refresh, whatever happened to the operational rows before it. A refresh is the very SQL that
dbt ran for a stored model (target/run), run again; dbt itself is started for what only it does.

TIMEBACK_HISTORIES is how many random histories to run (4 by default), TIMEBACK_SEED the first one's seed (0).
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from conftest import Dbt
from expectation.operational import operational_rows, organizations_in
from stored_mode import StoredRefreshes
from timeback_analytics.catalog_lint import lint
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

HISTORIES = int(os.environ.get("TIMEBACK_HISTORIES", "4"))
FIRST_SEED = int(os.environ.get("TIMEBACK_SEED", "0"))
STEPS = 12
# in so few rows as a history has, nearly every step changes a fifth of them
A_FIFTH = ("sum(changed_rows) * 5 >", "sum(changed_rows) * 5 - 1000000 >")
STORED = ("--vars", "{stored_facts: true}")
LIVE_SCHEMA = "live"


# -- a database with both modes ----------------------------------------------------------------------


@dataclass(frozen=True)
class Modes(StoredRefreshes):
    """A database with the catalog stored in `analytics` and live in `live`, and how a refresh is done."""

    batch: int = 5

    def with_other_sql(self, old: str, new: str) -> Modes:
        """The same with refreshes in which a text that each holds is another."""
        assert all(script.count(old) == 1 for script in self.scripts.values()), old
        return replace(
            self, scripts={model: script.replace(old, new) for model, script in self.scripts.items()}
        )

    def refresh(self, conn: psycopg.Connection, problem: str | None = None) -> None:
        """Bring every stored table up to date, each in a transaction of its own, as dbt does.

        `problem` is a part of what is said to be in the way of reading the log, None where nothing is.
        """
        problems = self.collect(conn)
        assert len(problems) == (problem is not None) and (problem or "") in "".join(problems), problems
        for model in self.scripts:
            self.run(conn, model)


@pytest.fixture(scope="module")
def both(
    embedded_server: EmbeddedServer, new_database: Callable[..., str], dbt: Dbt, short_tmp: Path
) -> Modes:
    """Both modes over empty operational tables. Only to be copied."""
    name = new_database("modes_template")
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        create_operational_schema(conn, "operational")
    dbt(name, "run", env={"TIMEBACK_SCHEMA": LIVE_SCHEMA})
    dbt(name, "run", *STORED)
    modes = Modes.of(short_tmp / "target", name)
    assert len(modes.scripts) > 1
    assert {"attempts", "aggregated_session_attempts"} <= set(modes.datasets)
    return modes


@pytest.fixture(params=["", "slot"], ids=["tables", "log"])
def modes(
    request: pytest.FixtureRequest,
    both: Modes,
    new_database: Callable[..., str],
    embedded_server: EmbeddedServer,
) -> Modes:
    """A copy of the test's own, whose refreshes look for changes in the tables or read them from a log."""
    copy = both.in_copy(new_database("modes_copy", template=both.database))
    if not request.param:
        return copy
    with psycopg.connect(embedded_server.dsn(copy.database), autocommit=True) as connection:
        return copy.with_slot(connection)


@pytest.fixture
def conn(modes: Modes, embedded_server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A connection to it, in autocommit, `operational` first in search_path."""
    with psycopg.connect(
        embedded_server.dsn(modes.database), autocommit=True, prepare_threshold=None
    ) as connection:
        connection.execute("set search_path = operational")
        yield connection


# -- random histories --------------------------------------------------------------------------------

ACTIVITY = (
    *("caliper_attempt",) * 6,
    *("caliper_score",) * 5,
    *("caliper_event",) * 5,
    *("tb_xp_ledger",) * 3,
    "caliper_session",
    "caliper_assessment_item",
    "one_roster_role",
    "insights_session",
    "insights_insight",
    "insights_review",
)
"""Tables that a history changes, by how often."""


@dataclass
class History:
    """A random history of the operational tables: writers that insert, correct, delete, wait and give up.

    What it does follows from the seed alone; `told` is its log.
    """

    seed: int
    dsn: str
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"history {self.seed}")
        self.pool = operational_rows(self.seed, datetime.now(UTC).date())
        self.writers: list[psycopg.Connection] = []
        for _ in range(3):
            writer = psycopg.connect(self.dsn, prepare_threshold=None)
            writer.execute("set search_path = operational")
            writer.execute("set lock_timeout = '20ms'")
            writer.commit()
            self.writers.append(writer)

    def close(self) -> None:
        """Roll back what is open."""
        for writer in self.writers:
            writer.close()

    def scopes(self) -> list[str]:
        """Scopes to ask under: everybody, each organization of the pool and all of them."""
        organizations = [str(organization) for organization in organizations_in(self.pool)]
        return ["*", *organizations[:2], ",".join(organizations)]

    def load(self, share: float) -> None:
        """Insert that share of the pool's rows of the tables that the history changes, all of the others."""
        writer = self.writers[0]
        for table, rows in self.pool.items():
            for row in rows:
                if table not in ACTIVITY or self.chance.random() < share:
                    self._insert(writer, table, row)
        writer.commit()

    def step(self) -> None:
        """Some changes by each writer, which then commits, gives up, or leaves its transaction open."""
        for number, writer in enumerate(self.writers):
            # opens its transaction, unless it is open still: what follows are savepoints in it
            writer.execute("select")
            for _ in range(self.chance.choice((0, 1, 1, 2, 5, 12))):
                self._change(number, writer)
            end = self.chance.choice(("commit", "commit", "commit", "rollback", "open"))
            if end == "commit":
                writer.commit()
            elif end == "rollback":
                writer.rollback()
            self.told.append(f"  writer {number}: {end}")

    def _change(self, number: int, writer: psycopg.Connection) -> None:
        table = self.chance.choice(ACTIVITY)
        if not self.pool[table]:
            return
        row = self.chance.choice(self.pool[table])
        kind = self.chance.choices(("insert", "update", "delete", "truncate"), (8, 6, 4, 0.1))[0]
        try:
            # a savepoint: rows of subtransactions, and a failure undoes no more than itself
            with writer.transaction():
                if kind == "insert":
                    # the id of the pool, or a new one: the same event twice, a late second score
                    fresh = {**row, "id": f"{row['id']}'"} if isinstance(row["id"], str) else row
                    self._insert(writer, table, self.chance.choice((row, row, fresh)))
                elif kind == "update":
                    self._update(writer, table, row)
                elif kind == "delete":
                    writer.execute(f"delete from {table} where id = %s", [row["id"]])
                else:
                    writer.execute(f"delete from {table}")
                if self.chance.random() < 0.1:
                    raise psycopg.Rollback
        except (psycopg.errors.IntegrityError, psycopg.errors.LockNotAvailable) as error:
            kind += f" failed ({type(error).__name__})"
        self.told.append(f"  writer {number}: {kind} {table} {row['id']}")

    def _insert(self, writer: psycopg.Connection, table: str, row: dict[str, Any]) -> None:
        writer.execute(
            sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(map(sql.Placeholder, row)),
            ),
            row,
        )

    def _update(self, writer: psycopg.Connection, table: str, row: dict[str, Any]) -> None:
        """Some columns take another row's values: marks, moments forth and back, what the row belongs to."""
        other = self.chance.choice(self.pool[table])
        names = [name for name in row if name != "id" and self.chance.random() < 0.5]
        if self.chance.random() < 0.03:
            names.append("id")
        if names:
            writer.execute(
                sql.SQL("update {} set {} where id = {}").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(
                        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
                        for name in names
                    ),
                    sql.Placeholder("this"),
                ),
                {**{name: other[name] for name in names}, "this": row["id"]},
            )


def run_history(seed: int, modes: Modes, conn: psycopg.Connection, dsn: str) -> str | None:
    """Runs a history with a refresh after each step; tells the first difference between the modes, if any."""
    history = History(seed, dsn)
    try:
        history.load(share=0.5)
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
    """One in four histories works everything out anew after a fifth of the rows changed."""
    if seed % 4:
        modes = modes.with_other_sql(*A_FIFTH)
    if difference := run_history(seed, modes, conn, embedded_server.dsn(modes.database)):
        pytest.fail(difference, pytrace=False)


@pytest.mark.parametrize(
    ("left_out", "instead"),
    [
        ("if lost <> 0 then", "if false then"),
        ("if lost <> 0 then", "if lost > 1 then"),
        ("pg_snapshot_xmin(pg_current_snapshot())", "pg_snapshot_xmax(pg_current_snapshot())"),
    ],
    ids=["deleted rows", "a single deleted row", "transactions that are still open"],
)
def test_histories_notice_what_a_refresh_leaves_out(
    left_out: str,
    instead: str,
    both: Modes,
    new_database: Callable[..., str],
    embedded_server: EmbeddedServer,
) -> None:
    """A refresh that looks for less is found out by one of a few histories."""
    for seed in range(12):
        modes = both.in_copy(new_database("modes_weak", template=both.database))
        modes = modes.with_other_sql(*A_FIFTH)
        for model, script in modes.scripts.items():
            assert left_out in script
            modes.scripts[model] = script.replace(left_out, instead)
        dsn = embedded_server.dsn(modes.database)
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
            if run_history(seed, modes, connection, dsn):
                return
    pytest.fail("no history noticed", pytrace=False)


# -- what a refresh must notice, one at a time -------------------------------------------------------

STUDENT, OTHER = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "12")


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
        "select resource_id, attempt_id, is_correct from analytics_internal.int_attempt_stored order by 1"
    ).fetchall()


def _state(conn: psycopg.Connection, model: str = "int_attempt_stored") -> dict[str, dict[str, Any]]:
    """source -> what the model noted of it at its last refresh."""
    rows = conn.execute(
        "select to_jsonb(refresh_state) from analytics_internal.refresh_state where model_name = %s", [model]
    )
    return {row["source_name"]: row for (row,) in rows}


def _deploy_anew(conn: psycopg.Connection) -> None:
    """Has both modes read the table caliper_score of today, where they read one that is old_score by now."""
    for schema in ("analytics_internal", "live_internal"):
        (view,) = conn.execute(
            "select pg_get_viewdef(%s::regclass)", [f"{schema}.stg_caliper_score"]
        ).fetchone()
        view = view.replace("old_score", "operational.caliper_score")
        conn.execute(f"create or replace view {schema}.stg_caliper_score as {view}")


def _own_internal_schema(conn: psycopg.Connection, role: str) -> None:
    """Gives a role the internal schema and everything in it that a run would have made as that role."""
    conn.execute(f"alter schema analytics_internal owner to {role}")
    relations = conn.execute(
        """select oid::regclass::text from pg_catalog.pg_class
        where relnamespace = 'analytics_internal'::regnamespace and relkind in ('r', 'v')"""
    ).fetchall()
    for (relation,) in relations:
        conn.execute(f"alter table {relation} owner to {role}")


def test_a_refresh_works_out_what_changed_and_no_more(modes: Modes, conn: psycopg.Connection) -> None:
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
    assert written("update caliper_attempt set assignable_id = 'r7' where id = 'a6'") == (False, 2, 1)
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
def test_everything_is_worked_out_anew_when_changes_cannot_be_told(
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
        _deploy_anew(conn)
    modes.refresh(conn, "does not hold all rows" if modes.slot and "rename" in change else None)
    assert _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


@pytest.mark.parametrize("modes", [""], indirect=True, ids=["tables"])
def test_the_deploying_role_needs_no_more_than_for_views(modes: Modes, conn: psycopg.Connection) -> None:
    """It reads the operational tables and owns the internal schema; what a policy hides cannot be told."""
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
        modes.collect(conn)
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
    if modes.slot:
        # it was not in the log when that was read
        assert [attempt for _, attempt, _ in _stored(conn)] == ["a1", "a2"]
        modes.refresh(conn)
    assert modes.differences(conn, ["*"]) == []
    assert len(_stored(conn)) == 3


# -- changes read from the server's log ---------------------------------------------------------------

READ_FROM_LOG = pytest.mark.parametrize("modes", ["slot"], indirect=True, ids=["log"])


def _forty(conn: psycopg.Connection, modes: Modes) -> None:
    """Forty attempts with scores, refreshed twice: the first time works everything out."""
    for number in range(40):
        _attempt(conn, f"a{number}", f"r{number}")
        _score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    modes.refresh(conn)
    assert not any(row["is_whole"] for row in _state(conn).values())


def test_from_the_log_a_refresh_reads_what_changed_and_no_more(
    modes: Modes, conn: psycopg.Connection
) -> None:
    """Rows read of the operational tables, whichever way, by the server's own count."""
    conn.execute(
        """insert into caliper_attempt
            (id, assignee_id, assignable_id, started_at_time, date_created, date_last_modified)
        select
            'a' || n, md5('student' || n % 500)::uuid, 'r' || n,
            '2026-01-01 10:00Z', '2020-01-01', '2020-01-01'
        from generate_series(1, 5000) as n"""
    )
    conn.execute(
        """insert into caliper_score (id, attempt_id, score_given, max_score, date_created)
        select 's' || n, 'a' || n, 1, 1, '2020-01-01' from generate_series(1, 5000) as n"""
    )
    conn.execute("analyze")
    modes.refresh(conn)
    modes.refresh(conn)
    conn.execute("update caliper_score set score_given = 0 where id = 's1'")
    conn.execute("delete from caliper_score where id = 's2'")
    conn.execute(
        """insert into caliper_attempt
            (id, assignee_id, assignable_id, started_at_time, date_created, date_last_modified)
        select 'early', assignee_id, assignable_id, '2026-01-01 09:00Z', date_created, date_last_modified
        from caliper_attempt where id = 'a3'"""
    )
    modes.collect(conn)
    # as on tables that are too large for it
    conn.execute("set enable_seqscan = off")
    # the counts of earlier transactions are given away, what follows is this one's
    conn.execute("select pg_stat_force_next_flush()")
    with conn.transaction():
        conn.execute(modes.scripts["int_attempt_stored"])
        (read,) = conn.execute(
            """select sum(seq_tup_read + idx_tup_fetch) from pg_stat_xact_user_tables
            where schemaname = 'operational'"""
        ).fetchone()
    assert modes.differences(conn, ["*"]) == []
    state = _state(conn)["caliper_score"]
    assert (state["is_whole"], state["removed_rows"], state["added_rows"]) == (False, 3, 3)
    assert read < 100 if modes.slot else read > 10_000


def _gap_read_by_somebody_else(conn: psycopg.Connection, modes: Modes) -> Modes:
    _score(conn, "unseen", "a1", 0)
    conn.execute("select pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", [modes.slot])
    return modes


def _gap_slot_made_anew(conn: psycopg.Connection, modes: Modes) -> Modes:
    conn.execute("select pg_drop_replication_slot(%s)", [modes.slot])
    _score(conn, "unseen", "a1", 0)
    conn.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [modes.slot])
    return modes


def _gap_table_left_out_for_a_while(conn: psycopg.Connection, modes: Modes) -> Modes:
    conn.execute(f"alter publication {modes.slot} drop table caliper_score")
    _score(conn, "unseen", "a1", 0)
    conn.execute(f"alter publication {modes.slot} add table caliper_score (id)")
    return modes


def _gap_kind_of_change_left_out_for_a_while(conn: psycopg.Connection, modes: Modes) -> Modes:
    conn.execute(f"alter publication {modes.slot} set (publish = 'delete')")
    _score(conn, "unseen", "a1", 0)
    conn.execute(f"alter publication {modes.slot} set (publish = 'insert, update, delete, truncate')")
    return modes


def _gap_another_slot(conn: psycopg.Connection, modes: Modes) -> Modes:
    other = f"{modes.slot}_other"
    _score(conn, "unseen", "a1", 0)
    conn.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [other])
    conn.execute(f"alter publication {modes.slot} rename to {other}")
    return replace(modes, slot=other)


def _gap_run_without_a_slot(conn: psycopg.Connection, modes: Modes) -> Modes:
    _score(conn, "unseen", "a1", 0)
    (said,) = replace(modes, slot="").collect(conn)
    assert f"pg_drop_replication_slot('{modes.slot}')" in said
    return modes


def _gap_run_of_a_release_without_the_model(conn: psycopg.Connection, modes: Modes) -> Modes:
    others = {name: tables for name, tables in modes.made_from.items() if name != "int_attempt_stored"}
    _score(conn, "unseen", "a1", 0)
    assert replace(modes, made_from=others).collect(conn) == []
    return modes


def _gap_other_table_of_the_name_for_a_while(conn: psycopg.Connection, modes: Modes) -> Modes:
    conn.execute("create table stand_in (like caliper_score including all)")
    conn.execute(f"alter publication {modes.slot} add table stand_in (id)")
    tables = {**modes.made_from["int_attempt_stored"], "caliper_score": "operational.stand_in"}
    _score(conn, "unseen", "a1", 0)
    assert replace(modes, made_from={**modes.made_from, "int_attempt_stored": tables}).collect(conn) == []
    return modes


def _gap_truncated(conn: psycopg.Connection, modes: Modes) -> Modes:
    conn.execute("truncate caliper_score")
    _score(conn, "unseen", "a1", 0)
    return modes


@READ_FROM_LOG
@pytest.mark.parametrize(
    "gap",
    [function for name, function in sorted(globals().items()) if name.startswith("_gap_")],
    ids=lambda gap: gap.__name__.removeprefix("_gap_").replace("_", " "),
)
def test_a_gap_in_the_log_has_everything_worked_out_anew(
    gap: Callable[[psycopg.Connection, Modes], Modes],
    modes: Modes,
    conn: psycopg.Connection,
) -> None:
    """And from then on the log is read again."""
    _forty(conn, modes)
    slots = {modes.slot}
    modes = gap(conn, modes)
    slots.add(modes.slot)
    modes.refresh(conn)
    assert _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []
    assert ("r1", "a1", False) in _stored(conn)

    _score(conn, "zz next", "a2", 0)
    modes.refresh(conn)
    assert not _state(conn)["caliper_score"]["is_whole"]
    assert ("r2", "a2", False) in _stored(conn)
    assert conn.execute("select count(*) from analytics_internal.refresh_change").fetchone() == (0,)
    for slot in slots:
        conn.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
            [slot],
        )


@READ_FROM_LOG
def test_what_a_run_read_is_kept_until_each_model_has_looked_at_it(
    modes: Modes, conn: psycopg.Connection
) -> None:
    """A run that ends before it moves the slot on, or that refreshes one model of two, loses nothing."""
    _forty(conn, modes)
    _score(conn, "unseen", "a1", 0)
    # ends before the slot is moved on, and does nothing else
    conn.execute(
        "select analytics_internal.collect_changes(%s, %s, 1000)", [modes.slot, json.dumps(modes.made_from)]
    )
    modes.collect(conn)
    # refreshes the other model alone
    modes.run(conn, "int_xp_entry_stored")
    assert modes.differences(conn, ["*"]) == ["attempts under '*': 2 rows"]
    modes.refresh(conn)
    assert not _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


@READ_FROM_LOG
def test_a_commit_that_nobody_sees_yet_is_left_for_later(
    modes: Modes, conn: psycopg.Connection, embedded_server: EmbeddedServer
) -> None:
    """It is in the log, and waits for a replica: a refresh that looked at its rows would look too early."""
    conn.execute("set synchronous_commit = local")
    _forty(conn, modes)
    conn.execute("alter system set synchronous_standby_names = 'nobody'")
    writer = psycopg.connect(embedded_server.dsn(modes.database), autocommit=True)

    def write_waiting() -> threading.Thread:
        thread = threading.Thread(target=_score, args=(writer, "waiting", "a1", 0))
        thread.start()
        return thread

    try:
        conn.execute("select pg_reload_conf()")
        thread = write_waiting()
        while not conn.execute("select from pg_stat_activity where wait_event = 'SyncRep'").fetchall():
            if not thread.is_alive():
                # the server has not heard of the setting yet
                conn.execute("delete from caliper_score where id = 'waiting'")
                thread = write_waiting()
        # behind it in the log, and seen
        _score(conn, "unseen", "a2", 0)
        modes.refresh(conn)
        found = modes.differences(conn, ["*"], ["attempts"])
    finally:
        # the commit is one, without the replica
        conn.execute("alter system reset synchronous_standby_names")
        conn.execute("select pg_reload_conf()")
        conn.execute("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
        thread.join()
        writer.close()
    assert found == ["attempts under '*': 2 rows"]
    modes.refresh(conn)
    assert not _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []
    assert {("r1", "a1", False), ("r2", "a2", False)} <= set(_stored(conn))


@READ_FROM_LOG
def test_the_messages_of_the_log(modes: Modes, conn: psycopg.Connection) -> None:
    """Every kind of change, on tables of many shapes; what does not say which row it means may mean any."""
    conn.execute(
        """create table "Wide ünd quoted" (
            "x,y" text[], note text, whole bigint, "id" text, blob bytea, primary key (whole, "id")
        );
        create table full_identity (note text, id uuid);
        alter table full_identity replica identity full;
        create table no_id (key integer primary key);
        create table id_is_no_key (id text, key integer primary key);
        create table parted (id integer primary key, note text) partition by range (id);
        create table parted_low partition of parted for values from (0) to (10);
        create table parted_high partition of parted for values from (10) to (20);
        """
    )
    tables = '"Wide ünd quoted", full_identity, no_id, id_is_no_key, parted'
    conn.execute(f"alter publication {modes.slot} add table {tables}")
    conn.execute("select pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", [modes.slot])
    long = "long " * 5000
    uuids = [f"00000000-0000-4000-8000-0000000000{digits}" for digits in ("0a", "0b")]
    conn.execute(
        """insert into "Wide ünd quoted" values
            (array['a', null], null, 1, 'it''s "quoted", ünd {so}', '\\x00ff'), (null, %s, 2, '', null)""",
        [long],
    )
    conn.execute('update "Wide ünd quoted" set whole = 3 where whole = 1')
    conn.execute("""update "Wide ünd quoted" set "id" = 'other', note = null where whole = 2""")
    conn.execute('update "Wide ünd quoted" set blob = null where whole = 3')
    conn.execute('delete from "Wide ünd quoted" where whole = 2')
    conn.execute("insert into full_identity values (null, %s)", uuids[:1])
    conn.execute("update full_identity set id = %s", uuids[1:])
    conn.execute("delete from full_identity")
    conn.execute("insert into no_id values (1)")
    conn.execute("insert into id_is_no_key values ('one', 1)")
    conn.execute("update id_is_no_key set id = 'two'")
    conn.execute("insert into parted values (1, 'moves')")
    conn.execute("update parted set id = 11")
    with conn.transaction(force_rollback=True):
        conn.execute("delete from parted")
    with conn.transaction():
        conn.execute("insert into parted values (2)")
        with conn.transaction(force_rollback=True):
            conn.execute("insert into parted values (3)")
        with conn.transaction():
            conn.execute("insert into parted values (4)")
    conn.execute("truncate no_id, full_identity")
    conn.execute("create table not_published (id text primary key)")
    conn.execute("insert into not_published values ('x')")

    rows = conn.execute(
        """select message, relation::regclass::text, row_id
        from analytics_internal.read_change_log(%s, null, null) where message not in ('R', 'Y', 'O')""",
        [modes.slot],
    ).fetchall()
    wide = '"Wide ünd quoted"'
    odd = 'it\'s "quoted", ünd {so}'
    assert [row for row in rows if row[1]] == [
        ("I", wide, odd),
        ("I", wide, ""),
        ("U", wide, odd),
        ("U", wide, odd),
        ("U", wide, ""),
        ("U", wide, "other"),
        ("U", wide, odd),
        ("D", wide, "other"),
        ("I", "full_identity", uuids[0]),
        ("U", "full_identity", uuids[0]),
        ("U", "full_identity", uuids[1]),
        ("D", "full_identity", uuids[1]),
        ("I", "no_id", None),
        ("I", "id_is_no_key", "one"),
        ("U", "id_is_no_key", None),
        ("I", "parted", "1"),
        ("D", "parted", "1"),
        ("I", "parted", "11"),
        ("I", "parted", "2"),
        ("I", "parted", "4"),
        ("T", "no_id", None),
        ("T", "full_identity", None),
    ]
    # each transaction whole, its commit behind its changes
    marks = "".join(message for message, _, _ in rows)
    assert all(len(part) >= 1 and part[0] == "B" for part in marks.split("C")[:-1])
    assert marks.endswith("C")


@pytest.mark.parametrize("via_root", [True, False], ids=["as the whole", "as partitions"])
@pytest.mark.parametrize("modes", [""], indirect=True, ids=["log"])
def test_a_partitioned_table_is_read_from_the_log(
    via_root: bool, modes: Modes, conn: psycopg.Connection
) -> None:
    """Whether the publication names the whole table or the partition in what it sends."""
    columns = conn.execute(
        """select string_agg(column_name, ', ' order by ordinal_position) from information_schema.columns
        where table_schema = 'operational' and table_name = 'caliper_score'"""
    ).fetchone()[0]
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
    conn.execute(f"insert into caliper_score ({columns}) select {columns} from old_score")
    _deploy_anew(conn)
    modes = modes.with_slot(conn, via_root=via_root)
    _forty(conn, modes)
    for number in range(4):
        conn.execute(f"update caliper_score set score_given = 0 where id = 's{number}'")
    conn.execute("delete from caliper_score where id = 's9'")
    modes.refresh(conn)
    assert not _state(conn)["caliper_score"]["is_whole"]
    assert _state(conn)["caliper_score"]["changed_rows"] == 5
    assert modes.differences(conn, ["*"]) == []
    # rows go without a message
    conn.execute("alter table caliper_score detach partition score_0")
    modes.refresh(conn)
    assert _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


def _wrong_no_slot(conn: psycopg.Connection, slot: str) -> str:
    conn.execute("select pg_drop_replication_slot(%s)", [slot])
    return f"There is no replication slot {slot}"


def _wrong_nothing_at_all(conn: psycopg.Connection, slot: str) -> str:
    conn.execute("select pg_drop_replication_slot(%s)", [slot])
    conn.execute(f"drop publication {slot}")
    return f"There is no replication slot {slot}"


def _wrong_physical_slot(conn: psycopg.Connection, slot: str) -> str:
    conn.execute("select pg_drop_replication_slot(%s)", [slot])
    conn.execute("select pg_create_physical_replication_slot(%s)", [slot])
    return "is of no plugin in the database (none), not of pgoutput in modes_copy"


def _wrong_slot_of_another_database(conn: psycopg.Connection, slot: str) -> str:
    conn.execute("select pg_drop_replication_slot(%s)", [slot])
    with psycopg.connect(conninfo=conn.info.dsn, dbname="postgres", autocommit=True) as elsewhere:
        elsewhere.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
    return "is of pgoutput in the database postgres, not of pgoutput in modes_copy"


def _wrong_lost(conn: psycopg.Connection, slot: str) -> str:
    """More was written than the server may keep for a slot."""
    conn.execute("alter system set max_slot_wal_keep_size = '1MB'")
    conn.execute("select pg_reload_conf()")
    try:
        while conn.execute(
            "select wal_status from pg_replication_slots where slot_name = %s", [slot]
        ).fetchone() != ("lost",):
            conn.execute("select pg_logical_emit_message(false, 'filler', repeat('x', 1000000))")
            conn.execute("select pg_switch_wal()")
            conn.execute("checkpoint")
    finally:
        conn.execute("alter system reset max_slot_wal_keep_size")
        conn.execute("select pg_reload_conf()")
    return "has lost part of its log"


def _wrong_no_publication(conn: psycopg.Connection, slot: str) -> str:
    conn.execute(f"drop publication {slot}")
    return f"There is no publication {slot}"


def _wrong_inserts_only(conn: psycopg.Connection, slot: str) -> str:
    conn.execute(f"alter publication {slot} set (publish = 'insert')")
    return "leaves out some kinds of changes"


def _wrong_rows_left_out(conn: psycopg.Connection, slot: str) -> str:
    conn.execute(f"alter publication {slot} drop table caliper_score")
    conn.execute(f"alter publication {slot} add table caliper_score (id) where (id <> 's1')")
    return "does not hold all rows of operational.caliper_score"


def _wrong_table_left_out(conn: psycopg.Connection, slot: str) -> str:
    conn.execute(f"alter publication {slot} drop table caliper_score")
    return "does not hold all rows of operational.caliper_score"


@READ_FROM_LOG
@pytest.mark.parametrize(
    "wrong",
    [function for name, function in sorted(globals().items()) if name.startswith("_wrong_")],
    ids=lambda wrong: wrong.__name__.removeprefix("_wrong_").replace("_", " "),
)
def test_without_a_log_that_does_the_tables_are_read_and_the_way_back_is_told(
    wrong: Callable[[psycopg.Connection, str], str], modes: Modes, conn: psycopg.Connection
) -> None:
    """The statements in what is said, run as they are, have the log read again."""
    _forty(conn, modes)
    expected = wrong(conn, modes.slot)
    _score(conn, "unseen", "a1", 0)
    said = modes.collect(conn)
    assert expected in said[0]
    for model in modes.scripts:
        modes.run(conn, model)
    assert modes.differences(conn, ["*"]) == []
    assert ("r1", "a1", False) in _stored(conn)

    if "rows_left_out" in wrong.__name__:
        conn.execute(f"alter publication {modes.slot} drop table caliper_score")
    text = "\n".join(said)
    assert "NULL" not in text
    statements = re.findall(r"((?:select pg_|create publication|alter publication)[^;]*;)", text)
    assert statements
    conn.execute("reset search_path")
    for statement in statements:
        if "pg_drop_replication_slot" in statement and "another_database" in wrong.__name__:
            with psycopg.connect(conninfo=conn.info.dsn, dbname="postgres", autocommit=True) as elsewhere:
                elsewhere.execute(statement)
        else:
            conn.execute(statement)
    conn.execute("set search_path = operational")
    modes.refresh(conn)
    assert all(row["feed"] for row in _state(conn).values())
    _score(conn, "zz next", "a2", 0)
    modes.refresh(conn)
    assert not _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


@READ_FROM_LOG
def test_the_deploying_role_reads_the_log_with_the_right_of_replication(
    modes: Modes, conn: psycopg.Connection
) -> None:
    _forty(conn, modes)
    conn.execute("drop role if exists log_deployer")
    conn.execute("create role log_deployer")
    try:
        conn.execute("grant usage on schema operational to log_deployer")
        conn.execute("grant select on all tables in schema operational to log_deployer")
        _own_internal_schema(conn, "log_deployer")
        _score(conn, "unseen", "a1", 0)
        conn.execute("set role log_deployer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="replication"):
            modes.refresh(conn)
        conn.execute("reset role")
        conn.execute("alter role log_deployer replication")
        conn.execute("set role log_deployer")
        modes.refresh(conn)
        conn.execute("reset role")
        assert not _state(conn)["caliper_score"]["is_whole"]
        assert ("r1", "a1", False) in _stored(conn)
    finally:
        conn.execute("reset role")
        conn.execute("reassign owned by log_deployer to current_user")
        conn.execute("drop owned by log_deployer")
        conn.execute("drop role log_deployer")


# -- the mode as a whole -----------------------------------------------------------------------------


def test_readers_have_no_right_on_what_is_stored(
    modes: Modes, conn: psycopg.Connection, short_tmp: Path, embedded_server: EmbeddedServer
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
    assert rights.keys() > {*modes.scripts, "refresh_pending", "refresh_state"}
    assert not any(rights.values())
    manifest = json.loads((short_tmp / "target" / "manifest.json").read_text())
    conn.execute("reset search_path")
    assert lint(conn, manifest) == []


@pytest.mark.parametrize("modes", [""], indirect=True, ids=["tables"])
def test_dbt_itself(
    modes: Modes,
    conn: psycopg.Connection,
    dbt: Dbt,
    demo_database: str,
    new_database: Callable[..., str],
    embedded_server: EmbeddedServer,
) -> None:
    """Over the demo: every test of what stands on stored models, a full refresh, changes read from the log,
    another time zone, and back.

    The views keep their identity all the way: a switch of the mode is a replacement in place.
    """
    database = new_database("modes_demo", template=demo_database)
    above_stored = ("--select", "2+config.materialized:incremental+")
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as demo:

        def views() -> list[tuple]:
            return demo.execute(
                """select relname, oid from pg_catalog.pg_class where relkind = 'v'
                and relname in ('int_attempt', 'int_xp_entry', 'attempts', 'students_xp') order by 1"""
            ).fetchall()

        def rows(dataset: str) -> list[tuple]:
            demo.execute("set app.allowed_org_ids = '*'")
            return sorted(demo.execute(f"select {dataset}::text from analytics.{dataset}").fetchall())

        live_views, live_rows = views(), {name: rows(name) for name in modes.datasets}
        dbt(database, "build", *above_stored, *STORED)
        assert {name: rows(name) for name in modes.datasets} == live_rows
        assert _state(demo)["caliper_event"]["is_whole"]

        dbt(database, "run", *above_stored, *STORED, "--full-refresh")
        state = _state(demo)["caliper_event"]
        assert state["removed_rows"] == state["added_rows"] > 1000
        assert {name: rows(name) for name in modes.datasets} == live_rows

        # the log of changes: what is in the way, the way, and there
        from_log = ("run", *above_stored, "--vars")
        variables = f"{{stored_facts: true, replication_slot: {database}, replication_batch: 3}}"
        said = dbt(database, *from_log, variables).stdout
        assert f"There is no replication slot {database}." in said
        for statement in re.findall(r"(?:create publication|select pg_create)[^;]*;", said):
            demo.execute(statement)
        dbt(database, *from_log, variables)
        for score in demo.execute("select id from operational.caliper_score order by id limit 10").fetchall():
            demo.execute(
                "update operational.caliper_score set score_given = score_given where id = %s", score
            )
        said = dbt(database, *from_log, variables).stdout
        assert f"Read 9 changes from the slot {database}" in said
        state = _state(demo)["caliper_score"]
        assert (state["is_whole"], state["changed_rows"]) == (False, 10)
        assert {name: rows(name) for name in modes.datasets} == live_rows

        # back in live mode, which nobody has told of the slot
        take_it_away = f"select pg_drop_replication_slot('{database}');"
        assert take_it_away in dbt(database, "run", "--select", "int_attempt").stdout
        said = dbt(database, *from_log, "{stored_facts: true, timezone: Pacific/Kiritimati}").stdout
        assert take_it_away in said
        demo.execute(take_it_away)
        assert _state(demo)["caliper_event"]["is_whole"]
        assert rows("attempts") != live_rows["attempts"]

        of_the_time_zone = "int_attempt_live int_session_attempt stg_tb_xp_ledger"
        back = f"{of_the_time_zone} int_xp_entry_live int_attempt int_xp_entry"
        assert take_it_away not in dbt(database, "run", "--select", back).stdout
        assert {name: rows(name) for name in modes.datasets} == live_rows
        assert views() == live_views
