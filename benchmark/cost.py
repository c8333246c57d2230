"""What a query costs the server: CPU of its process to plan and to run it, buffers, planner memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True)
class Cost:
    """The cheapest of several runs of a query.

    Attributes:
        planning: milliseconds of CPU to plan it.
        execution: milliseconds of CPU to run it.
        memory: MB that the planner used; None before PostgreSQL 18.
        buffers: 8 KiB buffers touched while it ran.
        rows: rows given.
    """

    planning: float
    execution: float
    memory: float | None
    buffers: int
    rows: int

    @property
    def whole(self) -> float:
        """Milliseconds of CPU to plan and run it."""
        return self.planning + self.execution


def cpu_milliseconds(conn: psycopg.Connection) -> float:
    """CPU that the server's process of this connection has used, by Linux's /proc.

    Wall-clock time says little on a machine that does other things beside.
    """
    return int(Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text().split()[0]) / 1e6


def cost(conn: psycopg.Connection, query: str, repeats: int = 3) -> Cost | None:
    """The cost of a query, the best of each figure; None where it reached the statement_timeout."""
    found = []
    has_memory = conn.info.server_version >= 180000
    for _ in range(repeats):
        try:
            at_start = cpu_milliseconds(conn)
            planned = _explained(conn, f"({'memory, ' if has_memory else ''}summary, format json)", query)
            when_planned = cpu_milliseconds(conn)
            executed = _explained(conn, "(analyze, buffers, timing off, format json)", query)
            at_end = cpu_milliseconds(conn)
        except psycopg.errors.QueryCanceled:
            return None
        root = executed["Plan"]
        planning = when_planned - at_start
        found.append(
            Cost(
                planning=planning,
                # the second EXPLAIN plans once more
                execution=max(at_end - when_planned - planning, 0.01),
                memory=planned["Planning"]["Memory Used"] / 1024 if has_memory else None,
                buffers=root["Shared Hit Blocks"] + root["Shared Read Blocks"],
                rows=round(root["Actual Rows"] * root["Actual Loops"]),
            )
        )
    return Cost(
        planning=min(one.planning for one in found),
        execution=min(one.execution for one in found),
        memory=found[0].memory,
        buffers=min(one.buffers for one in found),
        rows=found[0].rows,
    )


def _explained(conn: psycopg.Connection, options: str, query: str) -> dict[str, Any]:
    return conn.execute(f"explain {options} {query}").fetchone()[0][0]
