"""Deploying with the rights that docs/security.md lists and no more, and what readers have after it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from click.testing import CliRunner

from conftest import ROOT, Dbt
from timeback_analytics.cli import main
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

SCHOOL = "00000000-0000-4000-8000-000000000001"
DEPLOYER = "timeback_deployer"
READER = "deploy_reader"
STRANGER = "deploy_stranger"
# enough of the catalog for every kind of model, at a quarter of the time
MODELS = ("--select", "+students", "+classes", "+student_guides")


@dataclass
class Deployment:
    """A database into which a role without any right but the documented ones deploys."""

    server: EmbeddedServer
    database: str
    dbt: Dbt

    @property
    def env(self) -> dict[str, str]:
        """libpq's variables of the deploying role."""
        return {
            "PGHOST": str(self.server.socket_dir),
            "PGUSER": DEPLOYER,
            "PGDATABASE": self.database,
        }

    def connect(self, role: str = "postgres") -> psycopg.Connection:
        """A new connection of this role, in autocommit."""
        return psycopg.connect(self.server.dsn(self.database, role), autocommit=True)

    def run(self, *arguments: str, check: bool = True, schema: str = "analytics") -> tuple[int, str]:
        """`dbt run` as the deploying role: its exit code and output, on one line."""
        done = self.dbt(
            self.database,
            *("run", "--target", "server", "--vars", "{source_schema: operational}"),
            *(arguments or MODELS),
            check=check,
            env={**self.env, "TIMEBACK_SCHEMA": schema},
        )
        return done.returncode, " ".join(done.stdout.split())

    def grants(self) -> set[tuple[str, ...]]:
        """Who has which right on what in the published schema, the schema among it."""
        with self.connect() as conn:
            return set(
                conn.execute(
                    """select object, coalesce(pg_roles.rolname, 'public'), granted.privilege_type
                    from (
                        select relname as object, relacl as acl from pg_class
                        where relnamespace = 'analytics'::regnamespace
                        union all
                        select nspname, nspacl from pg_namespace where nspname = 'analytics'
                    ) as object
                    cross join aclexplode(object.acl) as granted
                    left join pg_roles on granted.grantee = pg_roles.oid"""
                )
            )


def documented_rights() -> str:
    """The SQL of "Rights for deploying" in docs/security.md."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    return re.search(r"## Rights for deploying\n.*?```sql\n(.*?)```", page, re.DOTALL)[1]


@pytest.fixture(scope="module")
def deployment(
    embedded_server: EmbeddedServer, catalog_template: str, new_database: Callable[..., str], dbt: Dbt
) -> Iterator[Deployment]:
    """Deployed once. catalog_template is here since it makes the roles that the whole server shares."""
    database = new_database("deploy_rights")
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        create_operational_schema(conn, "operational")
        rights = documented_rights().replace("schema public", "schema operational")
        conn.execute(re.sub(r"create role timeback_(reader|unrestricted|bound) nologin;", "", rights))
        conn.execute(f"create role {READER} login in role timeback_reader")
        conn.execute(f"create role {STRANGER} login")
        conn.execute(
            """insert into operational.one_roster_organization
            (id, name, type, status, date_created, date_last_modified)
            values (%s, 'North', 'school', 'active', now(), now())""",
            [SCHOOL],
        )
    made = Deployment(embedded_server, database, dbt)
    try:
        made.run()
        yield made
    finally:
        with made.connect() as conn:
            for role in (READER, STRANGER, DEPLOYER):
                conn.execute(f"drop owned by {role} cascade")
                conn.execute(f"drop role {role}")


def test_the_deploying_role_owns_everything_and_is_no_more_than_documented(deployment):
    with deployment.connect() as conn:
        owners = conn.execute(
            """select distinct pg_get_userbyid(relowner) from pg_class
            where relnamespace in ('analytics'::regnamespace, 'analytics_internal'::regnamespace)
            union
            select pg_get_userbyid(proowner) from pg_proc
            where pronamespace = 'analytics_internal'::regnamespace"""
        ).fetchall()
        attributes = conn.execute(
            "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = %s",
            [DEPLOYER],
        ).fetchone()
        may_create = conn.execute(
            "select has_database_privilege(%s, current_database(), 'create')", [DEPLOYER]
        ).fetchone()[0]
    assert owners == [(DEPLOYER,)]
    assert not any(attributes) and not may_create


def test_a_reader_may_select_from_the_published_views_and_nothing_else(deployment):
    """Asked of the database for every relation, schema and function that is not Postgres's own."""
    with deployment.connect(READER) as conn:
        rights = conn.execute(
            """select pg_class.oid::regclass::text, kind
            from pg_class
            cross join unnest(
                array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']
            ) as kind
            where
                pg_class.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
                and pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
                -- also in a schema that a reader may not use, which is one bar and not the only one
                and (
                    has_table_privilege(pg_class.oid, kind)
                    or kind in ('select', 'insert', 'update', 'references')
                    and has_any_column_privilege(pg_class.oid, kind)
                )"""
        ).fetchall()
        schemas = conn.execute(
            """select nspname, kind from pg_namespace cross join unnest(array['usage', 'create']) as kind
            where nspname !~ '^(pg_|information_schema)' and has_schema_privilege(oid, kind)"""
        ).fetchall()
        callable_functions = conn.execute(
            """select pg_proc.oid::regprocedure::text from pg_proc
            where
                pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
                and has_schema_privilege(pronamespace, 'usage') and has_function_privilege(oid, 'execute')"""
        ).fetchall()
        server_version = conn.info.server_version
    views = {"classes", "student_guides", "students"}
    assert set(rights) == {(f"analytics.{view}", "select") for view in views}
    assert set(schemas) - {("public", "create")} == {
        ("analytics", "usage"),
        ("analytics_metrics", "usage"),
        ("public", "usage"),
    }
    # a server before PostgreSQL 15 lets everybody create in public, in which nothing of ours is
    assert ("public", "create") not in schemas or server_version < 150000
    assert callable_functions == []


@pytest.mark.parametrize(
    "statement",
    [
        "select * from operational.one_roster_user",
        "select * from analytics_internal.int_students",
        "table analytics_internal.scope_binding",
        f"insert into analytics_internal.scope_binding values ('{READER}', '{SCHOOL}')",
        "delete from analytics_internal.scope_binding",
        "select * from analytics_internal.caller_scope('x', '*', null, current_user, true)",
        "create view analytics.mine as select 1 as one",
        "create table analytics.mine (one int)",
        "create function analytics.mine() returns int language sql as 'select 1'",
        "create or replace view analytics.students as select 1 as id",
        "alter view analytics.students set (security_barrier = false)",
        "alter view analytics.students rename to pupils",
        "drop view analytics.students",
        "comment on view analytics.students is 'mine'",
        "create rule mine as on insert to analytics.students do instead nothing",
        "create trigger mine instead of delete on analytics.students "
        "execute function suppress_redundant_updates_trigger()",
        "create schema mine",
    ],
)
def test_a_reader_may_not(deployment, statement):
    with deployment.connect(READER) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


def test_a_later_run_keeps_grants_and_readers_read(deployment):
    """Grants to readers, and one that an administrator made to somebody else.

    Also where functions are nobody's by default, a common hardening: a view calls its functions with the
    caller's rights, not its owner's.
    """
    with deployment.connect() as conn:
        conn.execute(f"grant select on analytics.classes to {STRANGER}")
        conn.execute(f"grant usage on schema analytics to {STRANGER}")
        conn.execute("revoke execute on all functions in schema analytics_internal from public")
    before = deployment.grants()
    deployment.run()
    assert deployment.grants() == before
    assert {("classes", STRANGER, "SELECT"), ("students", "timeback_reader", "SELECT")} <= before
    with deployment.connect(READER) as conn:
        assert conn.execute("select * from analytics.students").fetchall() == []


def test_the_deploying_role_binds_roles_that_others_made(deployment, monkeypatch):
    """The role's own default scope is the one thing beyond its rights; it says which right that takes."""
    for name, value in deployment.env.items():
        monkeypatch.setenv(name, value)
    line = ["bind", READER, SCHOOL, "--target", "server"]
    refused = CliRunner().invoke(main, line)
    assert refused.exit_code == 1 and "may not bind" in refused.output
    with deployment.connect() as conn:
        # the second list of rights in docs/security.md
        conn.execute(f"grant timeback_bound to {DEPLOYER} with admin option")
    bound = CliRunner().invoke(main, [*line, "--no-default"])
    assert bound.exit_code == 0 and "bound to 1 organization" in bound.output, bound.output
    assert "may not take on" in bound.output


PLANTED = """
create schema planted;
create schema planted_internal;
create table planted_internal.scope_binding (role_name name, org_id uuid);
create function planted_internal.caller_scope(
    text, text, uuid[], boolean, out is_everyone boolean, out org_ids uuid[]
) language sql as 'select true, null::uuid[]';
create view planted.students as select 1 as id;
alter table planted_internal.scope_binding owner to {0};
alter function planted_internal.caller_scope owner to {0};
alter view planted.students owner to {0};
"""


def test_what_somebody_else_made_beforehand_stops_the_run(deployment):
    """`create or replace` and `create if not exists` would keep the owner, for a superuser above all."""
    with deployment.connect() as conn:
        conn.execute(PLANTED.format(STRANGER))
    try:
        done = deployment.dbt(
            deployment.database,
            *("run", "--select", "students", "int_caller_scope"),
            check=False,
            env={"TIMEBACK_SCHEMA": "planted"},
        )
        output = " ".join(done.stdout.split())
        assert done.returncode != 0
        for planted in (
            "relation planted_internal.scope_binding",
            "function planted_internal.caller_scope(text,text,uuid[],boolean)",
            "relation planted.students",
        ):
            assert f"{planted} is owned by {STRANGER}" in output
    finally:
        with deployment.connect() as conn:
            conn.execute("drop schema planted, planted_internal cascade")


def test_a_schema_of_somebody_elses_stops_a_role_without_superuser_too(deployment):
    """It could do nothing about a scope that is changed from below."""
    with deployment.connect() as conn:
        conn.execute(f"create schema planted authorization {DEPLOYER}")
        conn.execute(f"create schema planted_internal authorization {STRANGER}")
        conn.execute(f"grant all on schema planted_internal to {DEPLOYER}")
    try:
        code, output = deployment.run("--select", "int_caller_scope", check=False, schema="planted")
        assert code != 0
        assert f"schema planted_internal is owned by {STRANGER}" in output
    finally:
        with deployment.connect() as conn:
            conn.execute("drop schema planted, planted_internal cascade")
