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
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from conftest import Dbt
from expectation.operational import operational_rows, organizations_in
from timeback_analytics.catalog_lint import lint
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

HISTORIES = int(os.environ.get("TIMEBACK_HISTORIES", "4"))
FIRST_SEED = int(os.environ.get("TIMEBACK_SEED", "0"))
STEPS = 12
# in so few rows as a history has, nearly every step changes a fifth of them
A_FIFTH = ("sum(changed_rows) * 5 >", "sum(changed_rows) * 5 - 1000000 >")
STORED = ("--vars", "{stored_facts: true}")
LIVE_SCHEMA = "live"


# -- a database with both modes ----------------------------------------------------------------------


@dataclass(frozen=True)
class Modes:
    """A database with the catalog stored in `analytics` and live in `live`, and how a refresh is done.

    `refreshes` are the SQL scripts of the stored models; `datasets` those that stored models are under.
    """

    database: str
    refreshes: dict[str, str]
    datasets: tuple[str, ...]

    def copy(self, name: str) -> Modes:
        """The same in a copy of the database, of that name."""
        scripts = {
            model: script.replace(f'"{self.database}".', f'"{name}".')
            for model, script in self.refreshes.items()
        }
        return Modes(name, scripts, self.datasets)

    def with_other_sql(self, old: str, new: str) -> Modes:
        """The same with refreshes in which a text that each holds is another."""
        assert all(script.count(old) == 1 for script in self.refreshes.values()), old
        scripts = {model: script.replace(old, new) for model, script in self.refreshes.items()}
        return Modes(self.database, scripts, self.datasets)

    def refresh(self, conn: psycopg.Connection) -> None:
        """Bring every stored table up to date, each in a transaction of its own, as dbt does."""
        for script in self.refreshes.values():
            with conn.transaction():
                conn.execute(script)

    def differences(
        self, conn: psycopg.Connection, scopes: Sequence[str], datasets: Sequence[str] | None = None
    ) -> list[str]:
        """Which datasets differ between the modes as multisets, and under which scope, in one snapshot."""
        found = []
        with conn.transaction():
            conn.execute("set transaction isolation level repeatable read")
            for scope in scopes:
                conn.execute("select set_config('app.allowed_org_ids', %s, true)", [scope])
                for dataset in datasets or self.datasets:
                    (count,) = conn.execute(
                        f"""select count(*) from (
                            (select * from analytics.{dataset} except all select * from live.{dataset})
                            union all
                            (select * from live.{dataset} except all select * from analytics.{dataset})
                        ) as difference"""
                    ).fetchone()
                    if count:
                        found.append(f"{dataset} under {scope!r}: {count} rows")
        return found


def refresh_scripts(target: Path) -> dict[str, str]:
    """model -> the SQL that dbt ran for it, of every stored model."""
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted((target / "run").rglob("*_stored.sql"))
        if "models" in path.parts
    }


def stored_models(manifest: dict[str, Any]) -> set[str]:
    """The unique ids of the incremental models."""
    return {
        unique_id
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
    }


def above(manifest: dict[str, Any], below: set[str]) -> set[str]:
    """Every model that reads one of these, directly or not."""
    found = set(below)
    while True:
        more = {
            unique_id
            for unique_id, node in manifest["nodes"].items()
            if node["resource_type"] == "model" and found & set(node["depends_on"]["nodes"])
        } - found
        if not more:
            return found - below
        found |= more


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
    manifest = json.loads((short_tmp / "target" / "manifest.json").read_text())
    stored = stored_models(manifest)
    assert stored
    scripts = refresh_scripts(short_tmp / "target")
    assert set(scripts) == {unique_id.rsplit(".", 1)[-1] for unique_id in stored}
    datasets = tuple(
        sorted(
            manifest["nodes"][unique_id]["name"]
            for unique_id in above(manifest, stored)
            if "datasets" in manifest["nodes"][unique_id]["fqn"]
        )
    )
    assert {"attempts", "aggregated_session_attempts"} <= set(datasets)
    return Modes(name, scripts, datasets)


@pytest.fixture
def modes(both: Modes, new_database: Callable[..., str]) -> Modes:
    """A copy of the test's own."""
    return both.copy(new_database("modes_copy", template=both.database))


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
        modes = both.copy(new_database("modes_weak", template=both.database))
        modes = modes.with_other_sql(*A_FIFTH)
        for model, script in modes.refreshes.items():
            assert left_out in script
            modes.refreshes[model] = script.replace(left_out, instead)
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
    assert written("update caliper_score set score_given = 0 where attempt_id < 'a3'")[0] is True


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
        # as a run that deploys the views anew does
        for schema in ("analytics_internal", "live_internal"):
            (view,) = conn.execute(
                "select pg_get_viewdef(%s::regclass)", [f"{schema}.stg_caliper_score"]
            ).fetchone()
            view = view.replace("old_score", "operational.caliper_score")
            conn.execute(f"create or replace view {schema}.stg_caliper_score as {view}")
    modes.refresh(conn)
    assert _state(conn)["caliper_score"]["is_whole"]
    assert modes.differences(conn, ["*"]) == []


def test_the_deploying_role_needs_no_more_than_for_views(modes: Modes, conn: psycopg.Connection) -> None:
    """It reads the operational tables and owns the internal schema; what a policy hides cannot be told."""
    for number in range(3):
        _attempt(conn, f"a{number}", f"r{number}")
        _score(conn, f"s{number}", f"a{number}", 1)
    modes.refresh(conn)
    script = modes.refreshes["int_attempt_stored"]

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
        conn.execute("alter schema analytics_internal owner to stored_deployer")
        relations = conn.execute(
            """select oid::regclass::text from pg_catalog.pg_class
            where relnamespace = 'analytics_internal'::regnamespace and relkind in ('r', 'v')"""
        ).fetchall()
        for (relation,) in relations:
            conn.execute(f"alter table {relation} owner to stored_deployer")
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
    script = modes.refreshes["int_attempt_stored"]
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
    assert rights.keys() > {*modes.refreshes, "refresh_pending", "refresh_state"}
    assert not any(rights.values())
    manifest = json.loads((short_tmp / "target" / "manifest.json").read_text())
    conn.execute("reset search_path")
    assert lint(conn, manifest) == []


def test_dbt_itself(
    modes: Modes,
    conn: psycopg.Connection,
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

        dbt(database, "run", *above_stored, "--vars", "{stored_facts: true, timezone: Pacific/Kiritimati}")
        assert _state(demo)["caliper_event"]["is_whole"]
        assert rows("attempts") != live_rows["attempts"]

        of_the_time_zone = "int_attempt_live int_session_attempt stg_tb_xp_ledger"
        dbt(database, "run", "--select", f"{of_the_time_zone} int_xp_entry_live int_attempt int_xp_entry")
        assert {name: rows(name) for name in modes.datasets} == live_rows
        assert views() == live_views
