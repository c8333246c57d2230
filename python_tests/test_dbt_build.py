"""`dbt build` over the demo, as a user types it: every model, seed, data test and unit test."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from conftest import ROOT
from timeback_analytics.demo import build_demo
from timeback_analytics.operational import table_names
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long


def checksums(connection: psycopg.Connection) -> dict[str, str]:
    """A checksum of every operational table's rows, whatever their order."""
    return {
        table: connection.execute(
            "select md5(coalesce(string_agg(t::text, ',' order by t::text), '')) "
            f"from operational.{table} as t"
        ).fetchone()[0]
        for table in table_names()
    }


def test_dbt_build_is_green_and_leaves_operational_tables_alone(
    embedded_server: EmbeddedServer, new_database: Callable[..., str], dbt: Callable, short_tmp: Path
) -> None:
    database = new_database("demo_build")
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as connection:
        build_demo(connection=connection)
        before = checksums(connection)
        printed = dbt(database, "build", "--write-json").stdout
        assert checksums(connection) == before
        malformed = {
            test: connection.execute(query).fetchone()[0]
            for test, query in {
                "insights_insight__start_before_end": "select count(*) from operational.insights_insight"
                " where ended_at_time < started_at_time",
                "source_student_without_email": "select count(distinct one_roster_user.id)"
                " from operational.one_roster_user inner join operational.one_roster_role"
                " on user_id = one_roster_user.id and role = 'student' where email is null",
            }.items()
        }

    results = json.loads((short_tmp / "target" / "run_results.json").read_text())["results"]
    kinds = {}
    for result in results:
        kinds.setdefault(result["unique_id"].split(".")[0], []).append(result["status"])
    assert set(kinds) >= {"model", "seed", "test", "unit_test"}
    assert set(kinds["model"]) | set(kinds["seed"]) == {"success"}
    assert set(kinds["unit_test"]) == {"pass"}
    # the demo has malformed rows of each kind: so many are expected, and no warning to learn to ignore
    warned = [f"{one['unique_id']}: {one['failures']}" for one in results if one["status"] == "warn"]
    assert warned == [] and set(kinds["test"]) == {"pass"}
    assert " WARN " not in printed.replace(" WARN=0", "")
    expected = (ROOT / "macros" / "overrides" / "expected_on_demo.sql").read_text()
    for test, count in malformed.items():
        assert count > 0 and f"'{test}': {count}," in expected
    # any other number is a warning
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as connection:
        connection.execute(
            "update operational.insights_insight set ended_at_time = started_at_time - interval '1 day' "
            "where id = (select id from operational.insights_insight "
            "where ended_at_time > started_at_time order by id limit 1)"
        )
    test = "insights_insight__start_before_end"
    assert f" WARN {malformed[test] + 1} {test} " in dbt(database, "test", "--select", test).stdout
