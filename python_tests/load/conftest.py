"""Fixtures of the tests of timeback load."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from caliper_events import PEOPLE
from caliper_tables import add_user
from load_helpers import Load, loader_of_lines
from roster_bundles import Bundle, written

from timeback_analytics.load import Report, load
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer


@pytest.fixture(scope="module")
def load_database(embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> str:
    """A database with empty operational tables and two grade levels."""
    name = new_database("load")
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        create_operational_schema(conn, "operational")
        conn.execute(
            """insert into operational.placement_grade (id, grade_primary_identifier, label, order_number)
            values
            ('00000000-0000-4000-8000-000000000001', '01', 'First grade', 1),
            ('00000000-0000-4000-8000-000000000002', '02', 'Second grade', 2)"""
        )
    return name


@pytest.fixture
def conn(embedded_server: EmbeddedServer, load_database: str) -> Iterator[psycopg.Connection]:
    """A connection in a transaction that the test's end rolls back."""
    with psycopg.connect(embedded_server.dsn(load_database)) as conn:
        conn.execute("set local search_path = operational")
        yield conn
        conn.rollback()


@pytest.fixture
def load_bundle(conn: psycopg.Connection, tmp_path: Path) -> Callable[..., Report]:
    """Write the bundle and load it."""
    folders = iter(range(100))

    def run(version: str, bundle: Bundle, **options: Any) -> Report:
        folder = written(tmp_path / str(next(folders)), version, bundle, **options)
        return load("oneroster", folder, connection=conn)

    return run


@pytest.fixture
def people(conn: psycopg.Connection) -> psycopg.Connection:
    """The connection, with two users in the tables."""
    for user_id, (name, email) in PEOPLE.items():
        add_user(conn, user_id, name, email)
    return conn


@pytest.fixture
def load_events(people: psycopg.Connection, tmp_path: Path) -> Load:
    """Write lines of JSON and load them."""
    return loader_of_lines("caliper", people, tmp_path)
