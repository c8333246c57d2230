"""Stored facts on other servers: a front and two nodes of Debian's PostgreSQL, each a server of its own.

The same histories, scopes and attacks as for stored facts on one server, with the partitions on the nodes.
One long file, since its servers are started once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from attacks.session import PUBLISHED
from attacks.suite import ATTACKS
from attacks.world import BOUND, SCOPED, World, let_in, look_at, make_all, report
from server_kit import wait_until
from shard_servers import (
    DATABASE,
    DEPLOYER,
    LOADER,
    NODES,
    ON_STORED,
    VARIABLES,
    Shards,
    shard_servers,
    shards,
)
from stored_histories import History

__all__ = ["shard_servers", "shards"]
pytestmark = pytest.mark.takes_long

CHANGES_THE_SETTING = ("binding", "pinned path under a binding")


@pytest.fixture(scope="module")
def with_rows(shards: Shards) -> History:
    """A history that has begun: half of its rows, and ballast, stored."""
    history = History(0, shards.servers["front"].dsn(DATABASE))
    history.load(share=0.5)
    history.load_ballast()
    shards.refresh()
    return history


PLACES = (
    ("local",) * 4,
    ("node1", "local", "node2", "local"),
    ("node1", "node2", "node2", "node1"),
    ("node2", "node2", "local", "node1"),
)


def test_both_modes_give_the_same_rows_wherever_partitions_are(shards: Shards, with_rows: History) -> None:
    """Across moves, after a history's steps, in every scope; no view and no parent is another one."""

    def oids() -> list[tuple]:
        with shards.connect() as conn:
            return conn.execute(
                """select oid, relname from pg_class where relkind in ('v', 'p')
                and relnamespace::regnamespace::text in ('analytics', 'analytics_internal') order by 1"""
            ).fetchall()

    before = oids()
    for step, places in enumerate(PLACES):
        if step:
            shards.move(*places)
        for _ in range(2):
            with_rows.step()
            shards.refresh()
            found = shards.differences(with_rows.scopes())
            assert found == [], (places, found, with_rows.told)
    assert oids() == before
    for writer in with_rows.writers:
        writer.rollback()


# -- attacks -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked(shards: Shards, with_rows: History, manifest: dict[str, Any]) -> World:
    """The rows of two schools beside the others, a reader bound to one, and every partition on a node."""
    world = World(shards.servers["front"], DATABASE)
    with_rows.close()
    with world.connect() as conn:
        tables = conn.execute(
            """select oid::regclass::text from pg_class
            where relnamespace = 'operational'::regnamespace and relkind = 'r'"""
        ).fetchall()
        conn.execute(f"truncate {', '.join(table for (table,) in tables)}")
    let_in(world, {"nodes": {}})
    shards.refresh()
    shards.move("node1", "node2", "node1", "node2")
    of_stored = {name: node for name, node in manifest["nodes"].items() if node["name"] in ON_STORED}
    with world.connect() as conn:
        look_at(conn, world, {"nodes": of_stored}, PUBLISHED)
    assert {view.name for view in world.views} == set(ON_STORED)
    return world


def test_no_attack_of_a_bound_reader_gets_through(
    attacked: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every partition is on a node: the way whose plan has the caller's filter on the student in it."""
    assert all(view.guesses and attacked.rows[view.name] for view in attacked.views)
    outcome = make_all(attacked, BOUND, "*", ATTACKS)
    report(capsys, "a bound reader, over the nodes", outcome, ATTACKS, attacked)
    assert outcome.disclosures == {}


def test_nor_one_of_a_reader_whose_client_sets_the_scope(
    attacked: World, capsys: pytest.CaptureFixture[str]
) -> None:
    attacks = [attack for attack in ATTACKS if attack.needs not in CHANGES_THE_SETTING]
    outcome = make_all(attacked, SCOPED, attacked.own, attacks)
    report(capsys, "a reader with a scope, over the nodes", outcome, attacks, attacked)
    assert outcome.disclosures == {}


def test_a_reader_reaches_no_partition_and_no_node(attacked: World, shards: Shards) -> None:
    for role in (BOUND, SCOPED):
        with attacked.connect(role) as conn:
            for statement in (
                "select * from analytics_internal.int_attempt_stored",
                "select * from analytics_internal.int_attempt_stored_p0",
                "select * from analytics_internal.refresh_mark_node1",
                "create user mapping for current_user server node1",
                "create user mapping for public server node1",
                "create foreign table pg_temp.mine (mark text) server node1",
                "alter server node1 options (set host 'elsewhere')",
                "import foreign schema analytics_shards from server node1 into pg_temp",
            ):
                with pytest.raises(psycopg.Error):
                    conn.execute(statement)
            options = conn.execute("select umoptions from pg_user_mappings").fetchall()
            assert options == [(None,), (None,)]
            # said in docs/shards.md
            assert conn.execute("select count(*) from pg_foreign_server").fetchone() == (2,)


def test_each_node_is_asked_once_and_one_students_alone(attacked: World) -> None:
    """By the plan: one query a partition with all ids in scope, one in all for a student."""
    for role, scope in ((BOUND, "*"), (SCOPED, attacked.own)):
        with attacked.connect(role) as conn:
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [scope])
            (student,) = conn.execute("select student_id from analytics.attempts limit 1").fetchone()

            def asked(query: str) -> list[str]:
                plan = conn.execute(f"explain (analyze, verbose, costs off, timing off) {query}").fetchall()
                lines = [line for (line,) in plan]
                return [
                    line
                    for above, line in zip(lines, lines[2:], strict=False)
                    if "Remote SQL" in line and "never executed" not in above and "= ANY" in line
                ]

            assert len(asked("select * from analytics.attempts")) == 4
            of_student = asked(f"select * from analytics.attempts where student_id = '{student}'")
            assert len(of_student) == 1 and str(student) in of_student[0]
            # any other filter reaches the nodes for a caller who is not bound, and for a bound one stays here
            of_day = asked("select * from analytics.attempts where date = '2024-02-29'")
            assert len(of_day) == 4
            assert ["2024-02-29" in remote for remote in of_day] == [role != BOUND] * 4


# -- a partition moves under readers -----------------------------------------------------------------


def test_readers_see_every_row_while_a_partition_moves(attacked: World, shards: Shards) -> None:
    rows = {view.name: len(attacked.rows[view.name]) for view in attacked.views}
    seen: list[tuple[str, int]] = []
    errors: list[str] = []
    stop = threading.Event()

    def read() -> None:
        try:
            with attacked.connect(BOUND) as conn:
                conn.execute("select set_config('app.allowed_org_ids', '*', false)")
                while not stop.is_set():
                    for name in ("attempts", "sessions"):
                        (count,) = conn.execute(f"select count(*) from analytics.{name}").fetchone()
                        seen.append((name, count))
        except psycopg.Error as error:
            errors.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for place in ("local", "node2", "node1"):
            shards.move(place)
        while len(seen) < 200 and not errors:
            pass
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert errors == []
    assert {count - rows[name] for name, count in seen} == {0} and len(seen) >= 200


def test_an_open_transaction_never_sees_a_node_as_it_was_before_the_copy(
    attacked: World, shards: Shards
) -> None:
    """It has read another table of that node; what moves there meanwhile would not be in its snapshot."""
    with attacked.connect(BOUND) as conn:
        conn.execute("select set_config('app.allowed_org_ids', '*', false)")
        with conn.transaction():
            conn.execute("select count(*) from analytics.sessions")
            done = shards.run("move", "0", "node2", "--table", "int_attempt_stored", "--patience", "0")
            assert done.exit_code == 1 and "Somebody has been reading" in done.output, done.output
            assert conn.execute("select count(*) from analytics.attempts").fetchone() == (
                len(attacked.rows["attempts"]),
            )
    # what the first try left on the node is replaced
    shards.move("node2", table="int_attempt_stored")
    shards.move("node1", table="int_attempt_stored")


def test_a_move_that_is_killed_leaves_the_partition_where_it_was(attacked: World, shards: Shards) -> None:
    """It waits for a reader when it is killed. The next move replaces its copy on the node."""
    rows = len(attacked.rows["attempts"])
    program = [sys.executable, "-m", "timeback_analytics.cli"]
    line = ["shards", "move", "0", "node2", "--table", "int_attempt_stored", "--patience", "600"]
    with attacked.connect(BOUND) as reader:
        reader.execute("select set_config('app.allowed_org_ids', '*', false)")
        with reader.transaction():
            reader.execute("select count(*) from analytics.attempts")
            move = subprocess.Popen([*program, *line], env={**os.environ, **shards.environment})
            with shards.connect() as conn:
                waits = "query like 'lock table only%' and wait_event_type = 'Lock'"
                count = f"select count(*) from pg_stat_activity where {waits}"
                wait_until(lambda: move.poll() is not None or conn.execute(count).fetchone() == (1,))
                assert move.poll() is None, "the move ended before it was killed"
                move.kill()
                move.wait()
                place = conn.execute(
                    """select srvname from pg_foreign_table
                    inner join pg_foreign_server on ftserver = pg_foreign_server.oid
                    where ftrelid = 'analytics_internal.int_attempt_stored_p0'::regclass"""
                ).fetchone()
                assert place == ("node1",)
        assert reader.execute("select count(*) from analytics.attempts").fetchone() == (rows,)
    shards.move("node2", table="int_attempt_stored")
    shards.move("node1", table="int_attempt_stored")
    assert shards.differences(["*"]) == []


def test_no_partition_moves_while_a_refresh_runs(attacked: World, shards: Shards) -> None:
    with shards.connect(DEPLOYER) as conn, conn.transaction():
        conn.execute(shards.refreshes.scripts["int_attempt_stored"])
        done = shards.run("move", "0", "node2")
    assert done.exit_code == 1 and "A refresh of stored facts is under way" in done.output


# -- what fails --------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", NODES)
def test_a_refresh_torn_between_nodes_is_repaired_by_the_next(
    failing: str, attacked: World, shards: Shards
) -> None:
    """One node has committed when the other one refuses to; then the rows that it was for are gone."""
    count = "select count(*) from analytics_internal.int_attempt_stored where resource_id = 'torn'"
    with shards.connect() as conn, shards.connect(DEPLOYER) as owner:
        conn.execute("set search_path = operational")
        conn.execute(
            """insert into caliper_attempt
                (id, assignee_id, assignable_id, started_at_time, date_created, date_last_modified)
            select 'torn' || n, md5(n::text)::uuid, 'torn', '2026-01-01 10:00Z', '2026-01-01', '2026-01-01'
            from generate_series(1, 40) as n"""
        )
        with shards.connect_to(failing) as node:
            node.execute(
                """create function analytics_shards.refuse() returns trigger language plpgsql
                as $$ begin raise 'this node refuses'; end $$;
                create constraint trigger refuse after update on analytics_shards.refresh_mark
                deferrable initially deferred for each row execute function analytics_shards.refuse()"""
            )
        try:
            with pytest.raises(psycopg.Error, match="this node refuses"):
                shards.refresh()
        finally:
            with shards.connect_to(failing) as node:
                node.execute("drop function analytics_shards.refuse() cascade")
        (TORN[failing],) = owner.execute(count).fetchone()
        conn.execute("delete from caliper_attempt where id like 'torn%'")
    shards.refresh()
    assert shards.differences(["*"]) == []
    with shards.connect(DEPLOYER) as owner:
        assert owner.execute(count).fetchone() == (0,)
    if len(TORN) == len(NODES):
        # nodes commit one after another, in an order of PostgreSQL's: one of the two ways tears
        assert any(0 < count < 40 for count in TORN.values()), TORN


TORN: dict[str, int] = {}


def test_a_node_that_is_down_is_an_error_and_never_a_part_of_the_rows(
    attacked: World, shards: Shards
) -> None:
    """Whatever has no row there goes on."""
    with shards.connect(DEPLOYER) as conn:
        by_place = dict(
            conn.execute(
                """select srvname, (array_agg(student_id))[1]::text
                from analytics_internal.int_attempt_stored as stored
                inner join pg_foreign_table on stored.tableoid = ftrelid
                inner join pg_foreign_server on ftserver = pg_foreign_server.oid group by 1"""
            ).fetchall()
        )
    shards.servers["node2"].stop()
    try:
        with attacked.connect(SCOPED) as conn:
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [attacked.own])
            for query in (
                "select count(*) from analytics.attempts",
                "select * from analytics.attempts limit 1000",
                f"select * from analytics.attempts where student_id = '{by_place['node2']}'",
            ):
                with pytest.raises(psycopg.OperationalError, match="node2"):
                    conn.execute(query)
            conn.execute(f"select * from analytics.attempts where student_id = '{by_place['node1']}'")
            assert conn.execute("select count(*) from analytics.waste_insights").fetchone()[0] > 0
        with pytest.raises(psycopg.OperationalError, match="node2"):
            shards.refresh()
        for command in ("show", "check"):
            done = shards.run(command)
            assert done.exit_code == 1 and "Server node2 cannot be reached" in done.output, done.output
        done = shards.run("move", "1", "local")
        assert done.exit_code == 1 and "Server node2 cannot be reached" in done.output
    finally:
        shards.servers["node2"].start()
    shards.refresh()
    assert shards.differences(["*"]) == []


def test_the_check_finds_what_is_open(shards: Shards) -> None:
    with psycopg.connect(shards.servers["node1"].dsn(DATABASE), autocommit=True) as node:
        node.execute("revoke all on database catalog from public")
        with shards.connect_to("node2", "postgres") as other:
            other.execute("revoke all on database catalog from public")
        done = shards.run("check")
        assert (done.exit_code, done.output) == (0, "no findings.\n")
        assert shards.run("show").exit_code == 0
        for table in ("int_attempt_stored_p0", "refresh_mark"):
            node.execute(f"grant select on analytics_shards.{table} to public")
        node.execute("grant usage on schema analytics_shards to public")
        node.execute("grant connect on database catalog to public")
        node.execute("create table analytics_shards.left_over ()")
        node.execute(f"alter role {LOADER} createrole")
    with shards.connect() as conn:
        conn.execute(f"grant usage on foreign server node2 to {SCOPED}")
        conn.execute(f"create user mapping for {SCOPED} server node2")
    done = shards.run("check")
    assert done.exit_code == 1
    assert sorted(done.output.splitlines()) == sorted(
        [
            f"server node2: {SCOPED} may use it, and make foreign tables and a mapping of their own",
            f"server node2: has a mapping of {SCOPED}, beside the owner of the views",
            "node1: analytics_shards.int_attempt_stored_p0: everybody has SELECT",
            "node1: analytics_shards.left_over: is left from a move that was interrupted: drop it",
            "node1: analytics_shards.left_over: is owned by postgres",
            "node1: analytics_shards.refresh_mark: everybody has SELECT",
            "node1: database catalog: everybody has CONNECT",
            "node1: role facts: is a superuser, may create roles or passes by row level security",
            "node1: schema analytics_shards: everybody has USAGE",
            "9 findings.",
        ]
    )


def test_a_node_that_would_answer_otherwise_is_not_added(shards: Shards, tmp_path: Path) -> None:
    """Nor one that cannot be reached, nor by somebody else than the deploying role; nothing is left of it."""
    home = str(shards.servers["node1"].home)
    with psycopg.connect(shards.servers["node1"].dsn("postgres"), autocommit=True) as conn:
        conn.execute("create database other template template0 locale 'C'")
        conn.execute("create role mere login password 'x'")
        conn.execute("create database bare")
        conn.execute("grant connect on database catalog to mere")
    (tmp_path / "empty").write_text("\n")

    def refused(said: str, *options: str, name: str = "node3", **environment: str | None) -> None:
        given = ("--host", home, "--dbname", DATABASE, "--user", LOADER, *options)
        done = shards.run("add", name, *given, **environment)
        assert done.exit_code != 0 and said in " ".join(done.output.split()), done.output

    refused("There is a server node1 already", name="node1")
    refused("local is the catalog's own server", name="local")
    refused("is a superuser, may create roles", "--user", "postgres")
    mere = {"TIMEBACK_SHARD_PASSWORD": "x"}
    refused("(UTF8, c, C, C) than this one", "--dbname", "other", "--user", "mere", **mere)
    refused('grant create on database "bare" to "mere";', "--dbname", "bare", "--user", "mere", **mere)
    refused("is owned by facts, not by mere", "--user", "mere", **mere)
    refused("password authentication failed", TIMEBACK_SHARD_PASSWORD="wrong")
    refused("has no password on its first line", "--password-file", str(tmp_path / "empty"))
    refused("There is no password. Put it into", TIMEBACK_SHARD_PASSWORD=None)
    refused("Server node3 cannot be reached", "--host", "/nowhere")
    refused("is owned by deployer, whose mapping the views use", PGUSER="postgres")
    refused("There is no schema elsewhere_internal", "--schema", "elsewhere")
    for arguments, said in (
        (("move", "9", "node1"), "There is no partition 9"),
        (("move", "0", "node9"), "There is no server node9. Known: node1, node2, local"),
        (("move", "0", "local", "--table", "nothing"), "There is no partition 0 of nothing"),
    ):
        done = shards.run(*arguments)
        assert done.exit_code == 1 and said in done.output, done.output
    with shards.connect() as conn:
        assert conn.execute("select count(*) from pg_foreign_server").fetchone() == (2,)


def test_a_run_stops_where_partitions_are_on_servers_that_it_does_not_name(
    shards: Shards, dbt: Callable[..., Any]
) -> None:
    done = dbt(
        *(DATABASE, "run", "--target", "server", "--select", "int_attempt_stored"),
        *("--vars", VARIABLES.replace("node1, node2", "node1, elsewhere")),
        env=shards.environment,
        check=False,
    )
    assert done.returncode == 1
    assert "on servers that the variable stored_servers does not name: node2" in done.stdout
