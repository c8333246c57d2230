"""Runs of many examples over one catalog, and the report of what differs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

import psycopg

from .comparison import EVERYBODY, NEVER_SET, Catalog, Difference, callers, shrink, told
from .datasets import SCOPED, expected, facts
from .operational import operational_rows, organizations_in
from .scope import Scope

PLANS = {
    "as planned": {},
    "without nested loops": {"enable_nestloop": "off"},
    "without hash and merge joins": {"enable_hashjoin": "off", "enable_mergejoin": "off"},
    "by indexes": {"enable_seqscan": "off", "enable_sort": "off"},
    "in parallel": {
        "max_parallel_workers_per_gather": "1",
        "parallel_setup_cost": "0",
        "parallel_tuple_cost": "0",
        "min_parallel_table_scan_size": "0",
        "min_parallel_index_scan_size": "0",
    },
}
"""Settings that make PostgreSQL answer in other ways, a connection each; the rows must not follow."""


def plan_of(seed: int) -> str:
    """The plan of an example. Starting workers takes long, so only few examples are asked for in parallel."""
    *quick, slow = PLANS
    return slow if seed % 25 == 24 else quick[seed % len(quick)]


def session_settings(seed: int) -> dict[str, str]:
    """Session settings that must not change any row: zones, how dates are written, what a string means."""
    chance = random.Random(f"session settings {seed}")
    return {
        "timezone": chance.choice(("UTC", "Pacific/Kiritimati", "America/Anchorage", "Asia/Kathmandu")),
        "datestyle": chance.choice(("ISO, MDY", "SQL, DMY", "German", "Postgres, MDY")),
        "intervalstyle": chance.choice(("postgres", "iso_8601", "sql_standard", "postgres_verbose")),
        "standard_conforming_strings": chance.choice(("on", "off")),
        "transform_null_equals": chance.choice(("on", "off")),
        "quote_all_identifiers": chance.choice(("on", "off")),
        "plpgsql.variable_conflict": chance.choice(("error", "use_variable", "use_column")),
    }


@dataclass
class Run:
    """What a run of examples found: the first difference of each dataset, and how often each had rows.

    `database` is a connection string; `timezone` the project's.
    """

    database: str
    seeds: Sequence[int]
    timezone: tzinfo = UTC
    differences: dict[str, tuple[int, Difference]] = field(default_factory=dict)
    differing: Counter = field(default_factory=Counter)
    with_rows: Counter = field(default_factory=Counter)
    with_rows_in_a_list: Counter = field(default_factory=Counter)

    def explore(self) -> Run:
        """Compares every dataset for every caller of every example, each in a transaction rolled back."""
        for plan in PLANS:
            seeds = [seed for seed in self.seeds if plan_of(seed) == plan]
            if seeds:
                catalog = self.connect(plan)
                for seed in seeds:
                    self._compare(catalog, seed, is_new_connection=seed == seeds[0])
                catalog.connection.close()
        return self

    def connect(self, plan: str) -> Catalog:
        """The catalog by a new connection, which alone has never seen the setting."""
        connection = psycopg.connect(self.database, prepare_threshold=None)
        # a forbidden way is planned as an expensive one, which would be worth compiling
        for name, value in {"jit": "off", **PLANS[plan]}.items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
        connection.commit()
        return Catalog(connection, "operational", "analytics", self.timezone)

    def rows(self, seed: int) -> dict[str, list]:
        """The operational rows of an example, around today."""
        return operational_rows(seed, datetime.now(self.timezone).date())

    def _compare(self, catalog: Catalog, seed: int, is_new_connection: bool) -> None:
        tables = self.rows(seed)
        with catalog.example(tables, session_settings(seed)) as today:
            for caller in [*([NEVER_SET] if is_new_connection else []), *callers(tables)]:
                with catalog.asking_as(caller):
                    for dataset in facts():
                        difference = catalog.difference(dataset, tables, caller, today)
                        if difference:
                            self.differing[dataset] += 1
                            self.differences.setdefault(dataset, (seed, difference))
            for dataset in facts():
                self.with_rows[dataset] += bool(expected(dataset, tables, EVERYBODY, today, self.timezone))
            for dataset in SCOPED:
                self.with_rows_in_a_list[dataset] += any(
                    expected(dataset, tables, Scope(str(organization)), today, self.timezone)
                    for organization in organizations_in(tables)
                )

    def report(self, dataset: str) -> str | None:
        """The first difference of a dataset, shrunk to the rows that it takes; None where there is none.

        Rows that do not show it by themselves are left out: then it takes the callers before, too.
        """
        if dataset not in self.differences:
            return None
        seed, difference = self.differences[dataset]
        tables, settings, catalog = self.rows(seed), session_settings(seed), self.connect(plan_of(seed))
        differs = catalog.still_differs(difference, settings)
        if differs(tables):
            tables = shrink(tables, differs)
            with catalog.example(tables, settings) as today, catalog.asking_as(difference.caller):
                difference = catalog.difference(dataset, tables, difference.caller, today) or difference
        else:
            tables = {}
        text = told(difference, tables, catalog)
        catalog.connection.close()
        return (
            f"{self.differing[dataset]} differences in {len(self.seeds)} examples, first with seed {seed}"
            f" (again: TIMEBACK_SEED={seed} TIMEBACK_EXAMPLES=1 pytest ...), {plan_of(seed)},"
            f" session settings {settings}\n{text}"
        )
