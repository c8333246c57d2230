"""ROAR's trials answer from an index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from expectation.roar_setting import SETTING


@pytest.fixture(scope="module")
def many(shared_catalog: str) -> Iterator[psycopg.Connection]:
    """60,000 trials of 600 users in 60 districts, rolled back at the end."""
    with psycopg.connect(shared_catalog) as conn:
        conn.execute(
            """insert into operational.roar_document
            select
                'users/U' || u,
                jsonb_build_object('districts', jsonb_build_object('current', array['D' || u % 60])), now()
            from generate_series(1, 600) as u
            union all
            select 'users/U' || u || '/runs/R' || u || '-' || r, '{}', now()
            from generate_series(1, 600) as u, generate_series(1, 2) as r
            union all
            select
                'users/U' || u || '/runs/R' || u || '-' || r || '/trials/T' || t,
                '{"correct": 1, "rt": 800}', now()
            from generate_series(1, 600) as u, generate_series(1, 2) as r, generate_series(1, 50) as t"""
        )
        conn.execute("analyze operational.roar_document")
        yield conn
        conn.rollback()


@pytest.mark.parametrize("setting", ["D7", "D7, D8, D9", "*"])
@pytest.mark.parametrize(
    ("where", "trials"),
    {
        "a run and its user": ("user_id = 'U7' and run_id = 'R7-1'", 50),
        "a run": ("run_id = 'R7-1'", 50),
        "a user": ("user_id = 'U7'", 100),
    }.values(),
)
def test_the_trials_of_a_run_answer_from_an_index(many, setting, where, trials):
    many.execute("select set_config(%s, %s, true)", [SETTING, setting])
    query = f"select id, correct, rt, org_ids from analytics.roar_user_trials where {where}"
    assert len(many.execute(query).fetchall()) == trials
    assert _most_trials_read(many, query) <= 2 * trials


def test_the_trials_of_a_district_answer_from_an_index(many):
    many.execute("select set_config(%s, %s, true)", [SETTING, "D7"])
    query = "select count(*), sum(correct) from analytics.roar_user_trials"
    assert many.execute(query).fetchone() == (1000, 1000)
    # by an index, person by person; runs and people stand between
    assert _most_trials_read(many, query) <= 2 * 1000


def _most_trials_read(conn: psycopg.Connection, query: str) -> int:
    """How many rows the most laborious scan of the trials read, those removed by a filter among them.

    Scans of the small index of what is above trials are left out.
    """
    (plan,) = conn.execute(f"explain (analyze, format json) {query}").fetchone()[0]

    def scans(node: dict[str, Any]) -> Iterator[int]:
        if node["Node Type"].endswith("Scan") and node.get("Relation Name") == "roar_document":
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            rows += node.get("Rows Removed by Index Recheck", 0)
            is_small = "roar_document_collection_idx" in json.dumps(node)
            yield 0 if is_small else int(rows * node["Actual Loops"])
        for child in node.get("Plans", []):
            yield from scans(child)

    return max(scans(plan["Plan"]), default=0)
