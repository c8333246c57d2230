"""What the tests of timeback bind share: three students of two schools under the whole catalog."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql
from psycopg.types.json import Jsonb

from timeback_analytics.cli import main
from timeback_analytics.server import EmbeddedServer

NORTH, SOUTH, UNKNOWN = (UUID(f"00000000-0000-4000-8000-00000000000{digit}") for digit in "123")
STUDENTS = {"Ada": (NORTH,), "Bea": (SOUTH,), "Cab": (NORTH, SOUTH)}
ROLES = ("bind_north", "bind_south", "bind_both", "bind_pool", "bind_other", "bind_deployer")


@dataclass
class World:
    """Three students of two schools under the whole catalog."""

    server: EmbeddedServer
    database: str
    runner: CliRunner
    env: dict[str, str]

    def timeback(self, *arguments: object, input: str | None = None, target: str = "embedded") -> Result:
        """`timeback *arguments`, as the superuser or as whoever env's PGUSER is on target server."""
        line = [*map(str, arguments), "--target", target]
        return self.runner.invoke(main, line, env=self.env, input=input)

    def bind(self, *arguments: object, **options: str) -> str:
        """What a `timeback bind` that succeeds prints."""
        return self.said("bind", *arguments, **options)

    def said(self, *arguments: object, **options: str) -> str:
        """What a `timeback *arguments` that succeeds prints."""
        result = self.timeback(*arguments, **options)
        assert result.exit_code == 0, result.output
        return result.output

    def refusal(self, *arguments: object, **options: str) -> str:
        """What a `timeback *arguments` that refuses says, on one line."""
        result = self.timeback(*arguments, **options)
        assert result.exit_code != 0 and not isinstance(result.exception, psycopg.Error), result.output
        return " ".join(result.output.split())

    def connect(self, role: str = "postgres") -> psycopg.Connection:
        """A new connection of this role, in autocommit."""
        return psycopg.connect(self.server.dsn(self.database, role), autocommit=True)

    def bindings(self) -> set[tuple[str, UUID]]:
        """The table of bindings."""
        with self.connect() as conn:
            return set(conn.execute("select role_name::text, org_id from analytics_internal.scope_binding"))


@pytest.fixture(scope="module")
def filled(
    embedded_server: EmbeddedServer, catalog_template: str, new_database: Callable[..., str]
) -> Iterator[World]:
    database = new_database("bind", template=catalog_template)
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        conn.execute("set search_path = operational")
        for name, org_id in (("North", NORTH), ("South", SOUTH)):
            conn.execute(
                """insert into one_roster_organization
                (id, name, type, status, date_created, date_last_modified)
                values (%s, %s, 'school', 'active', now(), now())""",
                [org_id, name],
            )
        for name, org_ids in STUDENTS.items():
            conn.execute(
                """with person as (
                    insert into one_roster_user
                    (id, given_name, family_name, status, date_created, date_last_modified)
                    values (gen_random_uuid(), %s, '', 'active', now(), now())
                    returning id
                )
                insert into one_roster_role
                (id, user_id, org_id, role, role_type, status, date_created, date_last_modified)
                select gen_random_uuid(), person.id, org_id, 'student', 'primary', 'active', now(), now()
                from person
                cross join unnest(%s) as org_id""",
                [name, list(org_ids)],
            )
        conn.cursor().executemany(
            "insert into roar_document values (%s, %s, now())",
            [
                (f"districts/{DISTRICT}", '{"name": "Lakeside"}'),
                ("schools/S1", '{"name": 7}'),
                ("users/u1", Jsonb({"districts": {"current": [DISTRICT]}})),
                ("users/u2", Jsonb({"schools": {"current": ["S1"]}})),
                ("users/u3", Jsonb({"families": {"current": ["F1"]}})),
            ],
        )
    yield World(embedded_server, database, CliRunner(), {})


@pytest.fixture
def world(filled: World) -> Iterator[World]:
    """The catalog without a binding and without the roles of these tests."""
    filled.env = {
        "TIMEBACK_EMBEDDED_HOST": str(filled.server.socket_dir),
        "TIMEBACK_EMBEDDED_DATABASE": filled.database,
        "PGHOST": str(filled.server.socket_dir),
        "PGDATABASE": filled.database,
        "PGUSER": "postgres",
    }
    yield filled
    with filled.connect() as conn:
        conn.execute("delete from analytics_internal.scope_binding")
        conn.execute("delete from analytics_internal.roar_scope_binding")
        for role in ROLES:
            if conn.execute("select rolname from pg_roles where rolname = %s", [role]).fetchone():
                conn.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
                conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


DISTRICT = 'north, {upper} "district"'
"""An id of ROAR's that the setting has to quote."""


def roar_users(conn: psycopg.Connection) -> list[str]:
    """The ids of ROAR's users that the caller sees."""
    return [name for (name,) in conn.execute("select id from analytics.roar_users order by id")]


def students(conn: psycopg.Connection) -> list[str]:
    """The names of the students that the caller sees."""
    return [name for (name,) in conn.execute("select name from analytics.students order by name")]
