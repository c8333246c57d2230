"""`dbt build` over the demo, as a user types it: every model, seed, data test and unit test."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg

from timeback_analytics.demo import build_demo
from timeback_analytics.operational import table_names
from timeback_analytics.server import EmbeddedServer


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
        dbt(database, "build")
        assert checksums(connection) == before

    results = json.loads((short_tmp / "target" / "run_results.json").read_text())["results"]
    kinds = {}
    for result in results:
        kinds.setdefault(result["unique_id"].split(".")[0], []).append(result["status"])
    assert set(kinds) >= {"model", "seed", "test", "unit_test"}
    assert set(kinds["model"]) | set(kinds["seed"]) == {"success"}
    assert set(kinds["unit_test"]) == {"pass"}
    # malformed operational rows are warned of, with counts: the demo has some of each
    assert set(kinds["test"]) == {"pass", "warn"}
