"""Every dataset equals its expectation, on adversarial operational rows, whoever asks.

TIMEBACK_EXAMPLES is how many examples to run (50 by default), TIMEBACK_SEED the first one's seed.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
import pytest

from expectation.comparison import EVERYBODY, NEVER_SET, Catalog, Difference, callers, shrink, told
from expectation.datasets import SCOPED, expected, facts
from expectation.operational import operational_rows, organizations_in
from expectation.scope import Scope

EXAMPLES = int(os.environ.get("TIMEBACK_EXAMPLES", "50"))
FIRST_SEED = int(os.environ.get("TIMEBACK_SEED", "0"))

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
    """Session settings that must not change any row: zones, and how dates and intervals are written."""
    chance = random.Random(f"session settings {seed}")
    return {
        "timezone": chance.choice(("UTC", "Pacific/Kiritimati", "America/Anchorage", "Asia/Kathmandu")),
        "datestyle": chance.choice(("ISO, MDY", "SQL, DMY", "German", "Postgres, MDY")),
        "intervalstyle": chance.choice(("postgres", "iso_8601", "sql_standard", "postgres_verbose")),
    }


@dataclass
class Run:
    """What a run of examples found: the first difference of each dataset, and how often each had rows."""

    differences: dict[str, tuple[int, Difference]] = field(default_factory=dict)
    differing: Counter = field(default_factory=Counter)
    with_rows: Counter = field(default_factory=Counter)
    with_rows_in_a_list: Counter = field(default_factory=Counter)


def connect(database: str, plan: str) -> Catalog:
    """The catalog by a new connection, which alone has never seen the setting; `plan` is one of PLANS."""
    connection = psycopg.connect(database)
    for name, value in PLANS[plan].items():
        connection.execute("select set_config(%s, %s, false)", [name, value])
    connection.commit()
    return Catalog(connection, "operational", "analytics", UTC)


def run_example(catalog: Catalog, seed: int, is_new_connection: bool, found: Run) -> None:
    """Compares every dataset that there is, for every caller, on the rows of one seed."""
    tables = operational_rows(seed, datetime.now(UTC).date())
    with catalog.example(tables, session_settings(seed)) as today:
        for caller in [*([NEVER_SET] if is_new_connection else []), *callers(tables)]:
            with catalog.asking_as(caller):
                for dataset in sorted(catalog.views() & facts().keys()):
                    difference = catalog.difference(dataset, tables, caller, today)
                    if difference:
                        found.differing[dataset] += 1
                        found.differences.setdefault(dataset, (seed, difference))
        for dataset in facts():
            found.with_rows[dataset] += bool(expected(dataset, tables, EVERYBODY, today, UTC))
        for dataset in SCOPED:
            found.with_rows_in_a_list[dataset] += any(
                expected(dataset, tables, Scope(str(organization)), today, UTC)
                for organization in organizations_in(tables)
            )


@pytest.fixture(scope="module")
def run(shared_catalog: str) -> Run:
    """All examples, each in a transaction that is rolled back."""
    found = Run()
    seeds = range(FIRST_SEED, FIRST_SEED + EXAMPLES)
    for plan in PLANS:
        catalog = connect(shared_catalog, plan)
        is_new_connection = True
        for seed in seeds:
            if plan_of(seed) == plan:
                run_example(catalog, seed, is_new_connection, found)
                is_new_connection = False
        catalog.connection.close()
    return found


@pytest.mark.parametrize("dataset", sorted(facts()))
def test_rows_are_those_of_the_documentation(dataset, run, shared_catalog):
    """The view's rows equal the expectation as a multiset, for every caller of every example."""
    seed, _ = run.differences.get(dataset, (0, None))
    catalog = connect(shared_catalog, plan_of(seed))
    try:
        if dataset not in catalog.views():
            pytest.fail(f"there is no view {dataset}", pytrace=False)
        if dataset in run.differences:
            pytest.fail(report(catalog, dataset, run), pytrace=False)
    finally:
        catalog.connection.close()


def report(catalog: Catalog, dataset: str, run: Run) -> str:
    """The first difference of a dataset, shrunk to the rows that it takes."""
    seed, difference = run.differences[dataset]
    settings = session_settings(seed)
    differs = catalog.still_differs(difference, settings)
    tables = operational_rows(seed, datetime.now(UTC).date())
    if differs(tables):
        tables = shrink(tables, differs)
        with catalog.example(tables, settings) as today, catalog.asking_as(difference.caller):
            difference = catalog.difference(dataset, tables, difference.caller, today) or difference
    replay = f"TIMEBACK_SEED={seed} TIMEBACK_EXAMPLES=1 pytest python_tests/test_expectation.py -k {dataset}"
    return f"{run.differing[dataset]} differences in {EXAMPLES} examples; the first:\n" + told(
        difference, tables, catalog, replay
    )


@pytest.mark.skipif(EXAMPLES < 20, reason="needs a run of 20 examples or more")
@pytest.mark.parametrize("dataset", sorted(facts()))
def test_examples_have_rows(dataset, run):
    """Examples without rows prove nothing: a good part of them has some, for a list of organizations too."""
    assert run.with_rows[dataset] >= EXAMPLES // 4
    if dataset in SCOPED:
        assert run.with_rows_in_a_list[dataset] >= EXAMPLES // 5
