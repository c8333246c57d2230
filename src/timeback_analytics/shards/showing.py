"""What is where."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from timeback_analytics.errors import TimebackError
from timeback_analytics.shards.front import LOCAL, Front, Partition
from timeback_analytics.shards.node import Node, node_schema


def look(front: Front) -> tuple[dict[str, str], list[Partition]]:
    """Ask every server for the partitions that it holds.

    Args:
        front: as the role that deploys.

    Returns:
        What is wrong with each server, empty where it answers; all partitions, with what servers say.
    """
    problems: dict[str, str] = {}
    told: dict[tuple[str, str], tuple[int | None, int]] = {}
    for name, node in front.nodes().items():
        try:
            told.update({(name, table): facts for table, facts in _tables(node, front.schema).items()})
            problems[name] = ""
        except (TimebackError, psycopg.Error) as error:
            problems[name] = " ".join(str(error).split())
    places = []
    for partition in front.partitions():
        if partition.server != LOCAL:
            rows, size = told.get((partition.server, partition.name), (None, None))
            if problems.get(partition.server) == "" and size is None:
                problems[partition.server] = f"has no table {partition.name}, which this server reads there"
            partition = replace(partition, rows=rows, size=size)
        places.append(partition)
    return problems, places


def _tables(node: Node, schema: str) -> dict[str, tuple[int | None, int]]:
    """{table on a node: about how many rows, and its bytes}."""
    with node.connect(autocommit=True) as conn:
        rows = conn.execute(
            """select relname::text, reltuples::bigint, pg_total_relation_size(pg_class.oid)
            from pg_catalog.pg_class inner join pg_catalog.pg_namespace on relnamespace = pg_namespace.oid
            where nspname = %s and relkind in ('r', 'p')""",
            [node_schema(schema)],
        ).fetchall()
    return {name: (count if count >= 0 else None, size) for name, count, size in rows}
