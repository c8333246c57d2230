"""What only dbt does in the materialized mode: the first fill, a full refresh, a change of the mode and back.

That a refresh finds what changed is in test_stored_facts.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import Dbt
from dbt_in_process import Finished
from stored_mode import STORED, datasets_on_stored, refresh_state
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

ABOVE_STORED = ("--select", "2+config.materialized:incremental+")
"""Every stored model, what it is made from and what depends on it."""


@dataclass(frozen=True)
class Demo:
    """The demo in a database of its own, whose mode changes.

    Attributes:
        conn: a superuser's.
        database: its name.
        dbt: the fixture.
        datasets: those that stored models are under in the materialized mode.
    """

    conn: psycopg.Connection
    database: str
    dbt: Dbt
    datasets: tuple[str, ...]

    def run(self, *arguments: str, check: bool = True) -> Finished:
        """A dbt command."""
        return self.dbt(self.database, *arguments, check=check)

    def views(self) -> list[tuple]:
        """Some views with their identity."""
        return self.conn.execute(
            """select relname, oid from pg_catalog.pg_class where relkind = 'v'
            and relname in ('int_attempts', 'int_students_xp', 'int_sessions', 'attempts', 'students_xp')
            order by 1, 2"""
        ).fetchall()

    def rows(self, dataset: str) -> list[tuple]:
        """Everybody's rows of a dataset."""
        self.conn.execute("set app.allowed_org_ids = '*'")
        return sorted(self.conn.execute(f"select {dataset}::text from analytics.{dataset}").fetchall())

    def all_rows(self) -> dict[str, list[tuple]]:
        """Those of each of the datasets."""
        return {name: self.rows(name) for name in self.datasets}

    def attempts_noted_of(self, source: str) -> dict[str, Any]:
        """What the model of attempts noted of a source."""
        return refresh_state(self.conn)[source]


@pytest.fixture
def demo(
    dbt: Dbt,
    demo_database: str,
    new_database: Callable[..., str],
    embedded_server: EmbeddedServer,
    short_tmp: Path,
) -> Iterator[Demo]:
    dbt(demo_database, "parse", *STORED)
    manifest = json.loads((short_tmp / "target" / "manifest.json").read_text())
    database = new_database("modes_demo", template=demo_database)
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        yield Demo(conn, database, dbt, datasets_on_stored(manifest))


def _let_an_attempt_pass_and_stop(conn: psycopg.Connection) -> None:
    """The first batch of attempts brings one that a later batch reads; a batch after that is refused."""
    conn.execute(
        """set search_path = analytics_internal;
        create table int_attempt_stored as
        select student_id, resource_id, session_id, date, start_time, end_time, duration_sec, is_correct
        from int_attempt_live with no data;
        create function bring_an_attempt() returns trigger language plpgsql as $$
        begin
            insert into operational.caliper_attempt (
                id, assignee_id, assignable_id, started_at_time, date_created, date_last_modified
            )
            select 'passing', tg_argv[0]::uuid, 'passing', now(), now(), now()
            where not exists (select from operational.caliper_attempt where id = 'passing');
            return null;
        end
        $$;
        do $$
        declare
            students uuid[] = (
                select percentile_disc(array[0.4, 0.6]) within group (order by student_id)
                from int_attempt_live
            );
        begin
            execute format(
                'create trigger passing after insert on int_attempt_stored '
                'execute function bring_an_attempt(%L)',
                students[1]
            );
            execute format(
                'alter table int_attempt_stored add constraint stop check (student_id <> %L)', students[2]
            );
        end
        $$;
        reset search_path"""
    )


def _check_that_a_stopped_first_fill_goes_on(demo: Demo, live_views: list[tuple], live_rows: object) -> None:
    """One batch cannot be written; meanwhile the views are as they were.

    An attempt came after the fill had begun and goes before it ends: the sources have as many rows as at the
    start, and what they have is what they had, so that no count tells of it.
    """
    small_batches = ("--vars", "{stored_facts: true, stored_fill_rows: 400}")
    conn = demo.conn
    _let_an_attempt_pass_and_stop(conn)
    stopped = demo.run("run", "--select", "2+int_attempt_stored+", *small_batches, check=False)
    assert stopped.returncode != 0 and "int_attempt_stored: batch 1 of" in stopped.stdout
    assert demo.views() == live_views
    filled = conn.execute("select count(rows), count(*) from analytics_internal.refresh_fill").fetchone()
    assert 1 < filled[0] < filled[1] - 1, filled
    passing = "select count(*) from analytics_internal.int_attempt_stored where resource_id = 'passing'"
    assert conn.execute(passing).fetchone() == (1,)

    conn.execute(
        """delete from operational.caliper_attempt where id = 'passing';
        drop function analytics_internal.bring_an_attempt cascade;
        alter table analytics_internal.int_attempt_stored drop constraint stop"""
    )
    assert demo.all_rows() == live_rows
    said = demo.run("build", *ABOVE_STORED, *small_batches).stdout
    assert f"int_attempt_stored: the first fill goes on after {filled[0]} of {filled[1]} batches" in said
    assert f"int_attempt_stored: batch {filled[1]} of {filled[1]}" in said
    assert "int_session_stored: batch" in said and "int_insight_stored: batch" in said
    assert conn.execute("select from analytics_internal.refresh_fill").fetchall() == []
    columns = "student_id, resource_id, session_id, date, start_time, end_time, duration_sec, is_correct"
    (stored,), (different,) = conn.execute(
        f"""select count(*) from analytics_internal.int_attempt_stored
        union all
        select count(*) from (
            (select {columns} from analytics_internal.int_attempt_live)
            except all (select {columns} from analytics_internal.int_attempt_stored)
        ) as missing"""
    ).fetchall()
    state = demo.attempts_noted_of("caliper_event")
    # the row of the attempt that went was filled before it went
    assert (different, stored) == (0, state["added_rows"] - 1)
    assert state["is_whole"] and state["removed_rows"] == 1
    assert demo.all_rows() == live_rows


def test_dbt_itself(demo: Demo) -> None:
    """Over the demo: tests of what depends on stored models, a full refresh, another time zone, and back.

    The views keep their identity all the way: a switch of the mode is a replacement in place.
    """
    live_views, live_rows = demo.views(), demo.all_rows()
    _check_that_a_stopped_first_fill_goes_on(demo, live_views, live_rows)
    demo.run("run", *ABOVE_STORED, *STORED, "--full-refresh")
    state = demo.attempts_noted_of("caliper_event")
    assert state["removed_rows"] == state["added_rows"] > 1000
    assert demo.all_rows() == live_rows

    demo.conn.execute(
        """update operational.caliper_score set score_given = score_given
        where id in (select id from operational.caliper_score order by id limit 10)"""
    )
    demo.run("run", *ABOVE_STORED, *STORED)
    state = demo.attempts_noted_of("caliper_score")
    assert (state["is_whole"], state["changed_rows"]) == (False, 10)
    assert demo.all_rows() == live_rows

    demo.run("run", *ABOVE_STORED, "--vars", "{stored_facts: true, timezone: Pacific/Kiritimati}")
    assert demo.attempts_noted_of("caliper_event")["is_whole"]
    assert demo.rows("attempts") != live_rows["attempts"]

    of_the_time_zone = "int_attempt_live int_aggregated_session_attempts stg_tb_xp_ledger stg_caliper_session"
    behind = "int_attempts int_sessions int_students_xp int_confirmed_insight int_session_insight_time"
    demo.run("run", "--select", f"{of_the_time_zone} {behind} students_xp")
    assert demo.all_rows() == live_rows
    assert demo.views() == live_views


def test_what_an_earlier_version_read_changes_with_is_removed(demo: Demo) -> None:
    """Its slot is an administrator's: each run warns of it, in either mode, until it is dropped."""
    stored = ("int_xp_total_stored", "int_insight_stored")
    only_stored = ("run", "--select", *stored, *STORED)
    demo.run("run", "--select", *(f"2+{model}" for model in stored), *STORED)

    def is_whole(model: str) -> set[bool]:
        return {row["is_whole"] for row in refresh_state(demo.conn, model).values()}

    demo.conn.execute(
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
    demo.conn.execute("select pg_create_physical_replication_slot('modes_slot')")
    try:
        drop = "select pg_drop_replication_slot('modes_slot');"
        said = demo.run(*only_stored).stdout
        assert drop in said and "int_xp_total_stored has other columns than before" in said
        demo.conn.execute("drop view reads_entries")
        # of insights only the notes do not count, the table is as it should be
        assert all(is_whole(model) == {True} for model in stored)
        assert drop in demo.run("run", "--select", "students").stdout
    finally:
        demo.conn.execute("select pg_drop_replication_slot('modes_slot')")
    assert "slot" not in demo.run(*only_stored).stdout
    assert all(is_whole(model) == {False} for model in stored)
    left = demo.conn.execute(
        """select relname from pg_class
        where
            relnamespace = 'analytics_internal'::regnamespace
            and relname ~ '^refresh_(log|change)|int_xp_entry_stored'
        union all
        select proname from pg_proc
        where pronamespace = 'analytics_internal'::regnamespace and proname ~ 'change'"""
    ).fetchall()
    assert left == []
    totals, ids, live, taken_out = demo.conn.execute(
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
    assert "feed" not in refresh_state(demo.conn, "int_xp_total_stored")["caliper_event"]
