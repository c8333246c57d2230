"""Moving a partition to another server while everybody reads.

The rows are copied first, then the partition is exchanged in one transaction. From before the copy until then
no refresh runs. The exchange locks every partitioned table, so that no transaction is open that has seen a
node as it was before the copy: it would find none of the copied rows there.
"""

from __future__ import annotations

import contextlib
import time

import psycopg
from psycopg import sql

from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row
from timeback_analytics.shards.front import LOCAL, Front, Partition
from timeback_analytics.shards.node import MARKS, Node, node_schema

LOCK_SECONDS = 2
"""How long an exchange waits for readers, who wait behind it, before it steps back and lets them pass."""
PAUSE_SECONDS = 1.0


def hold_off_refreshes(front: Front) -> None:
    """Let no refresh begin until the transaction ends.

    Raises:
        TimebackError: one is under way.
    """
    conn = front.conn
    state = sql.Identifier(front.internal, "refresh_state")
    conn.execute(
        "select set_config(name, '0', true) from pg_catalog.pg_settings where name = any(%s)",
        [["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"]],
    )
    conn.execute("set local lock_timeout = '3s'")
    try:
        conn.execute(sql.SQL("lock table {} in share row exclusive mode").format(state))
    except psycopg.errors.LockNotAvailable as error:
        raise TimebackError(
            "A refresh of stored facts is under way, or another move. Run this again when it is done."
        ) from error


def move_partition(front: Front, partition: Partition, goal: str, patience: float) -> int:
    """Move one partition to a server, in a transaction of the front's that this commits.

    Args:
        front: as the role that deploys.
        partition: which.
        goal: the name of a server, or LOCAL.
        patience: for how many seconds readers' locks are waited for, time and again.

    Returns:
        How many rows it has.

    Raises:
        TimebackError: a server cannot be reached, a refresh runs, or readers hold the tables for too long.
    """
    nodes = front.nodes()
    with contextlib.ExitStack() as stack:
        sides: dict[str, psycopg.Connection] = {LOCAL: front.conn}
        for name in {partition.server, goal} - {LOCAL}:
            sides[name] = stack.enter_context(nodes[name].connect())
        with front.conn.transaction():
            hold_off_refreshes(front)
            source = _name(front, partition, partition.server)
            rows = _copy(front, partition, sides[partition.server], source, sides[goal], goal)
            if goal != LOCAL:
                _note_mark(front, partition.table, nodes[goal], sides[goal])
                # readers of this server's see it from the exchange on
                sides[goal].commit()
            _exchange(front, partition, goal, patience)
        if partition.server != LOCAL:
            sides[partition.server].execute(sql.SQL("drop table {}").format(source))
            sides[partition.server].commit()
    return rows


def _name(front: Front, partition: Partition, server: str) -> sql.Identifier:
    """The table of a partition's rows, where they are."""
    return sql.Identifier(front.internal if server == LOCAL else node_schema(front.schema), partition.name)


def _new_name(front: Front, partition: Partition, goal: str) -> sql.Identifier:
    """The table that a copy is made in; here its own name is taken until the exchange."""
    if goal == LOCAL:
        return sql.Identifier(front.internal, f"{partition.name}_new")
    return _name(front, partition, goal)


def _copy(
    front: Front,
    partition: Partition,
    source_conn: psycopg.Connection,
    source: sql.Identifier,
    goal_conn: psycopg.Connection,
    goal: str,
) -> int:
    """Make the table at its goal, with the rows, their order, and indexes."""
    table = _new_name(front, partition, goal)
    # what an interrupted move left: the front does not know it
    goal_conn.execute(sql.SQL("drop table if exists {}").format(table))
    columns = front.conn.execute(
        """select attname::text, format_type(atttypid, atttypmod) from pg_catalog.pg_attribute
        where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum""",
        [sql.Identifier(front.internal, partition.table).as_string(front.conn)],
    ).fetchall()
    goal_conn.execute(
        sql.SQL("create table {} ({})").format(
            table,
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns
            ),
        )
    )
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    with (
        source_conn.cursor() as reading,
        goal_conn.cursor() as writing,
        reading.copy(
            # as text, numbers and times would depend on how each side writes them
            sql.SQL("copy (select {} from {}) to stdout (format binary)").format(names, source)
        ) as out,
        writing.copy(sql.SQL("copy {} ({}) from stdin (format binary)").format(table, names)) as into,
    ):
        for block in out:
            into.write(block)
    for number, keys in enumerate(_indexes(front, partition.table)):
        name = sql.Identifier(f"{partition.name}_{number}" + ("_new" if goal == LOCAL else ""))
        goal_conn.execute(
            sql.SQL("create index {} on {} ({})").format(
                name, table, sql.SQL(", ").join(sql.Identifier(key) for key in keys)
            )
        )
    if goal != LOCAL:
        # a node estimates each of the ids that it is sent by its list of the most common ones, which took
        # longer than the query itself; of so many students none is more common than others
        goal_conn.execute(sql.SQL("alter table {} alter column student_id set statistics 1").format(table))
    goal_conn.execute(sql.SQL("analyze {}").format(table))
    counts = [
        first_row(side.execute(sql.SQL("select count(*) from {}").format(name)))[0]
        for side, name in ((source_conn, source), (goal_conn, table))
    ]
    if counts[0] != counts[1]:
        raise TimebackError(
            f"{partition.name} has {counts[0]} rows, and its copy {counts[1]}. Nothing was moved."
        )
    return counts[0]


def _indexes(front: Front, table: str) -> list[list[str]]:
    """The columns of each index of a stored table."""
    rows = front.conn.execute(
        """select array_agg(attname::text order by place) from pg_catalog.pg_index
        cross join lateral unnest(indkey::int2[]) with ordinality as key (attnum, place)
        inner join pg_catalog.pg_attribute
            on pg_index.indrelid = pg_attribute.attrelid and key.attnum = pg_attribute.attnum
        where indrelid = to_regclass(%s) group by indexrelid order by indexrelid""",
        [sql.Identifier(front.internal, table).as_string(front.conn)],
    )
    return [keys for (keys,) in rows]


def _note_mark(front: Front, table: str, node: Node, there: psycopg.Connection) -> None:
    """Give a node that has nothing of the table yet a mark of its last refresh."""
    marks = sql.Identifier(node_schema(front.schema), MARKS)
    noted = sql.Identifier(front.internal, "refresh_shard")
    holds_some = any(
        partition.table == table and partition.server == node.name for partition in front.partitions()
    )
    if holds_some:
        return
    (mark,) = first_row(front.conn.execute("select gen_random_uuid()::text"))
    there.execute(
        sql.SQL(
            "insert into {} (model_name, mark) values (%s, %s)"
            " on conflict (model_name) do update set mark = excluded.mark"
        ).format(marks),
        [table, mark],
    )
    front.conn.execute(
        sql.SQL(
            "insert into {} (model_name, server_name, mark) values (%s, %s, %s)"
            " on conflict (model_name, server_name) do update set mark = excluded.mark"
        ).format(noted),
        [table, node.name, mark],
    )


def _exchange(front: Front, partition: Partition, goal: str, patience: float) -> None:
    """Detach the partition as it was, attach it where it is now, when nobody reads any partitioned table."""
    conn = front.conn
    parent = sql.Identifier(front.internal, partition.table)
    old = sql.Identifier(front.internal, partition.name)
    (bound,) = first_row(
        conn.execute(
            "select pg_get_expr(relpartbound, oid) from pg_catalog.pg_class where oid = to_regclass(%s)",
            [old.as_string(conn)],
        )
    )
    deadline = time.monotonic() + patience
    conn.execute("select set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS}s"])
    while True:
        try:
            # a savepoint: the copy is not lost where somebody reads for long
            with conn.transaction():
                _lock_stored_tables(front)
                _swap(front, partition, goal, parent, old, bound)
            return
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() > deadline:
                raise TimebackError(
                    f"Somebody has been reading {partition.table} for {patience:g} s. Nothing was moved. "
                    "Run this again later, or with more --patience."
                ) from error
            time.sleep(PAUSE_SECONDS)


def _lock_stored_tables(front: Front) -> None:
    tables = sorted({partition.table for partition in front.partitions()})
    front.conn.execute(
        sql.SQL("lock table only {} in access exclusive mode").format(
            sql.SQL(", only ").join(sql.Identifier(front.internal, table) for table in tables)
        )
    )


def _swap(
    front: Front,
    partition: Partition,
    goal: str,
    parent: sql.Identifier,
    name: sql.Identifier,
    bound: str,
) -> None:
    """The old table goes, the new one takes its name and its place."""
    conn = front.conn
    kind = sql.SQL("table" if partition.server == LOCAL else "foreign table")
    conn.execute(sql.SQL("alter table {} detach partition {}").format(parent, name))
    conn.execute(sql.SQL("drop {} {}").format(kind, name))
    if goal == LOCAL:
        conn.execute(
            sql.SQL("alter table {} rename to {}").format(
                _new_name(front, partition, goal), sql.Identifier(partition.name)
            )
        )
    else:
        _make_foreign(front, partition, goal)
    conn.execute(sql.SQL("revoke all on {} from public").format(name))
    conn.execute(sql.SQL("alter table {} attach partition {} {}").format(parent, name, sql.SQL(bound)))


def _make_foreign(front: Front, partition: Partition, goal: str) -> None:
    """The foreign table of a partition; nobody collects statistics of it, which a plan would show."""
    conn = front.conn
    name = sql.Identifier(front.internal, partition.name)
    columns = conn.execute(
        """select attname::text, format_type(atttypid, atttypmod) from pg_catalog.pg_attribute
        where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum""",
        [sql.Identifier(front.internal, partition.table).as_string(conn)],
    ).fetchall()
    conn.execute(
        sql.SQL("create foreign table {} ({}) server {} options (schema_name {}, table_name {})").format(
            name,
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, kind in columns
            ),
            sql.Identifier(goal),
            sql.Literal(node_schema(front.schema)),
            sql.Literal(partition.name),
        )
    )
    conn.execute(
        sql.SQL("alter foreign table {} {}").format(
            name,
            sql.SQL(", ").join(
                sql.SQL("alter column {} set statistics 0").format(sql.Identifier(column))
                for column, _ in columns
            ),
        )
    )
