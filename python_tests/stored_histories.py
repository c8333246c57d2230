"""Random histories of the operational tables that stored facts are made from: writers beside each other."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from expectation.operational import operational_rows, organizations_in
from stored_mode import StoredRefreshes

STUDENT, OTHER = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "12")
STEPS = 12
BALLAST = 400
"""Rows that no history changes. Among fewer rows, nearly every step would change a fifth of them."""
ACTIVITY = (
    *("caliper_attempt",) * 6,
    *("caliper_score",) * 5,
    *("caliper_event",) * 5,
    *("tb_xp_ledger",) * 3,
    *("caliper_session",) * 2,
    "caliper_assessment_item",
    "one_roster_role",
    *("insights_session",) * 3,
    *("insights_insight",) * 3,
    *("insights_review",) * 3,
    "insights_type",
    "insights_config",
)
"""Tables that a history changes, by how often."""
KEYS = {"insights_config": "insight_type_id"}
"""{table: its key}, where that is not `id`."""


def another(identifier: str | uuid.UUID) -> str | uuid.UUID:
    """An id that goes with this one and is not it."""
    return f"{identifier}'" if isinstance(identifier, str) else uuid.uuid5(identifier, "another")


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

    def load_ballast(self) -> None:
        """Insert rows beside those of the pool: a student's attempts, with a score and an event each."""
        writer = self.writers[0]
        for statement in (
            """insert into caliper_attempt
                (id, assignee_id, assignable_id, started_at_time, date_created, date_last_modified)
            select
                'ballast' || n, %(student)s, 'ballast' || n,
                '2026-01-01 10:00Z', '2026-01-01', '2026-01-01'
            from generate_series(1, %(rows)s) as n""",
            """insert into caliper_score (id, attempt_id, score_given, max_score, date_created)
            select 'ballast' || n, 'ballast' || n, 1, 1, '2026-01-01'
            from generate_series(1, %(rows)s) as n""",
            """insert into caliper_event (id, type, action, generated_id, session_id, event_time)
            select
                'ballast' || n, 'AssessmentItemEvent', 'Completed', 'ballast' || n,
                'ballast', '2026-01-01 10:00Z'
            from generate_series(1, %(rows)s) as n""",
            """insert into caliper_session
                (id, user_id, client_id, started_at_time, date_created, date_last_modified)
            select
                'ballast' || n, %(student)s, %(student)s, '2026-01-01 10:00Z', '2026-01-01', '2026-01-01'
            from generate_series(1, %(rows)s) as n""",
            """insert into insights_type (id, slug, category, visibility, is_waste)
            values ('ba11a570-0000-4000-8000-000000000000', 'Ballast', 'Engagement', 'external', true)""",
            """insert into insights_session
                (id, caliper_session_id, user_id, application_id, is_proctored, date_last_modified)
            select id, 'ballast' || n, %(student)s, %(student)s, n %% 2 = 0, '2026-01-01' from ballast""",
            """insert into insights_insight (
                id, session_id, insight_type_id, started_at_time, ended_at_time, reason, is_visible,
                date_last_modified
            )
            select
                id, id, 'ba11a570-0000-4000-8000-000000000000', '2026-01-01 10:00Z', '2026-01-01 10:01Z',
                '', true, '2026-01-01'
            from ballast""",
            """insert into insights_review (id, insight_id, result, reviewed_at)
            select id, id, 'TruePositive', '2026-01-02' from ballast""",
            """insert into tb_xp_ledger
                (id, user_id, application_id, source_event_id, value, date_generated, date_created)
            select
                id, %(student)s, %(student)s, 'ballast' || n, 1, '2026-01-01',
                timestamptz '2026-01-01' + n * interval '1 day'
            from ballast""",
        ):
            statement = statement.replace(
                "from ballast",
                "from (select n, ('ba11a570-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid as id"
                " from generate_series(1, %(rows)s) as n) as ballast",
            )
            writer.execute(statement, {"student": STUDENT, "rows": BALLAST})
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
        key = KEYS.get(table, "id")
        kind = self.chance.choices(("insert", "update", "delete", "truncate"), (8, 6, 4, 0.1))[0]
        try:
            # a savepoint: rows of subtransactions, and a failure undoes no more than itself
            with writer.transaction():
                if kind == "insert":
                    # the id of the pool, or a new one: the same event twice, a late second score
                    fresh = {**row, key: another(row[key])}
                    self._insert(writer, table, self.chance.choice((row, row, fresh)))
                elif kind == "update":
                    self._update(writer, table, row)
                elif kind == "delete":
                    writer.execute(f"delete from {table} where {key} = %s", [row[key]])
                else:
                    writer.execute(f"delete from {table} where {key}::text !~ '^(ballast|ba11a570)'")
                if self.chance.random() < 0.1:
                    raise psycopg.Rollback
        except (psycopg.errors.IntegrityError, psycopg.errors.LockNotAvailable) as error:
            kind += f" failed ({type(error).__name__})"
        self.told.append(f"  writer {number}: {kind} {table} {row[key]}")

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
        key = KEYS.get(table, "id")
        names = [name for name in row if name != key and self.chance.random() < 0.5]
        if self.chance.random() < 0.03:
            names.append(key)
        if names:
            writer.execute(
                sql.SQL("update {} set {} where {} = {}").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(
                        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
                        for name in names
                    ),
                    sql.Identifier(key),
                    sql.Placeholder("this"),
                ),
                {**{name: other[name] for name in names}, "this": row[key]},
            )


def run_history(
    seed: int, modes: StoredRefreshes, conn: psycopg.Connection, dsn: str, *, ballast: bool
) -> str | None:
    """Run a history with a refresh after each step; gives the first difference between the modes, if any.

    Args:
        seed: the history's.
        modes: a database with the catalog stored, and live in the schema `live`.
        conn: to it, with `operational` first in its search_path.
        dsn: of that database, for the history's writers.
        ballast: whether there are rows beside those that change.
    """
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


def add_attempt(conn: psycopg.Connection, attempt: str, resource: str = "r", start: str = "10:00") -> None:
    """An attempt of STUDENT's, from a time of one day on."""
    conn.execute(
        """insert into operational.caliper_attempt
        (id, assignee_id, assignable_id, started_at_time, date_created, date_last_modified)
        values (%s, %s, %s, %s, '2020-01-01', '2020-01-01')""",
        [attempt, STUDENT, resource, f"2026-01-01 {start}Z"],
    )


def add_score(conn: psycopg.Connection, score: str, attempt: str, given: int) -> None:
    """A score of an attempt, 0 or 1."""
    conn.execute(
        "insert into operational.caliper_score (id, attempt_id, score_given, max_score, date_created)"
        " values (%s, %s, %s, 1, '2020-01-01')",
        [score, attempt, given],
    )
