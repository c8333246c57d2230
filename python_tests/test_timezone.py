"""The dbt variable `timezone` decides every date, today among them, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import psycopg
import pytest

from expectation.run import Run
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

TIMEZONE = "Pacific/Kiritimati"
"""Fourteen hours ahead of UTC: most of the day, it is another date there."""


@pytest.fixture(scope="module")
def elsewhere(embedded_server: EmbeddedServer, new_database: Callable[..., str], dbt) -> str:
    """The connection string of a catalog over empty tables, built with that time zone."""
    name = new_database("elsewhere")
    with psycopg.connect(embedded_server.dsn(name)) as connection:
        create_operational_schema(connection, "operational")
    dbt(name, "run", "--vars", f"timezone: {TIMEZONE}")
    return embedded_server.dsn(name)


def test_dates_are_those_of_the_time_zone(elsewhere):
    """Every dataset of a catalog of another time zone equals its expectation there."""
    run = Run(elsewhere, range(3000, 3008), ZoneInfo(TIMEZONE)).explore()
    reports = [run.report(dataset) for dataset in run.differences]
    assert reports == [], "\n\n".join(reports)
