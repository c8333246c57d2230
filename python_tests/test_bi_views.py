"""Schema analytics_bi: the same rows as the published views, in types that every tool can read."""

import json
import uuid
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ibis
import polars as pl
import psycopg
import pytest
from psycopg import sql

from timeback_analytics.audit import find_breaches
from timeback_analytics.catalog.manifest import published_models

SCHOOL = "421b7ed0-cff3-4890-9c4e-605d8c465e42"
EVERY_TOOL_READS = {
    "text",
    "boolean",
    "integer",
    "bigint",
    "smallint",
    "double precision",
    "date",
    "timestamp without time zone",
    "time without time zone",
}
ROLES = {
    "bound": ("bi_bound", "*"),
    "unbound": ("bi_reader", SCHOOL),
    "service": ("bi_service", "*"),
    "nobody": ("bi_reader", ""),
}


@pytest.fixture(scope="module")
def database(embedded_server, demo_database, new_database):
    """The demo, with a role that is bound to a school, a reader, and a service that may ask for everybody."""
    name = new_database("bi_views", template=demo_database)
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        for role in ("bi_bound", "bi_reader", "bi_service"):
            conn.execute(f"create role {role} login in role timeback_reader")
        conn.execute("grant timeback_unrestricted to bi_service")
        conn.execute("grant timeback_bound to bi_bound")
        for setting in ("app.allowed_org_ids", "app.allowed_roar_org_ids"):
            conn.execute(f"alter role bi_bound set {setting} = '*'")
        for table, id_of_school in (("scope_binding", SCHOOL), ("roar_scope_binding", a_roar_school(conn))):
            conn.execute(
                f"insert into analytics_internal.{table} values ('bi_bound', %s, 'bi_bound'::regrole)",
                [id_of_school],
            )
        # or plans would depend on when autovacuum comes by
        conn.execute("vacuum analyze")
    yield name
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(f"drop database {name} with (force)")
        conn.execute("drop role bi_bound, bi_reader, bi_service")


def a_roar_school(conn) -> str:
    with conn.transaction():
        conn.execute("select set_config('app.allowed_roar_org_ids', '*', true)")
        return conn.execute(
            "select min(org_id) from analytics.roar_user_runs cross join unnest(org_ids) as listed (org_id)"
        ).fetchone()[0]


@pytest.fixture(params=ROLES)
def asked(request, embedded_server, database):
    """A connection of each kind of role, with what it asks for."""
    role, scope = ROLES[request.param]
    with psycopg.connect(embedded_server.dsn(database, role), autocommit=True) as conn:
        conn.execute("set timezone = 'America/New_York'")
        roar_scope = scope
        if scope == SCHOOL:
            with psycopg.connect(embedded_server.dsn(database), autocommit=True) as other:
                roar_scope = a_roar_school(other)
        conn.execute("select set_config('app.allowed_org_ids', %s, false)", [scope])
        conn.execute("select set_config('app.allowed_roar_org_ids', %s, false)", [roar_scope])
        yield request.param, conn


def as_every_tool_reads(value: Any) -> Any:
    """What a published value is to be in the other schema."""
    match value:
        case list():
            return ",".join(str(one) for one in value if one is not None)
        case uuid.UUID():
            return str(value)
        case Decimal():
            return float(value)
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        case _:
            return value


def test_every_dataset_shows_the_same_rows_to_every_role(asked, manifest):
    kind, conn = asked
    shown = 0
    for model in published_models(manifest):
        published, other = (
            conn.execute(sql.SQL("select * from {}").format(sql.Identifier(schema, model["name"]))).fetchall()
            for schema in ("analytics", "analytics_bi")
        )
        is_json = [column["data_type"] == "jsonb" for column in model["columns"].values()]
        wanted = Counter(
            tuple(
                json.dumps(value) if of_json else as_every_tool_reads(value)
                for value, of_json in zip(row, is_json, strict=True)
            )
            for row in published
        )
        shown_there = Counter(
            tuple(
                json.dumps(json.loads(value or "null")) if of_json else value
                for value, of_json in zip(row, is_json, strict=True)
            )
            for row in other
        )
        assert shown_there == wanted, model["name"]
        shown += bool(wanted) and "scope" in model["config"]["meta"]
    assert shown == 0 if kind == "nobody" else shown > 20


def test_every_column_has_a_type_that_every_tool_knows(embedded_server, database, manifest):
    with psycopg.connect(embedded_server.dsn(database)) as conn:
        found = conn.execute(
            """select
                table_name, array_agg(column_name::text order by ordinal_position),
                array_agg(distinct data_type::text)
            from information_schema.columns where table_schema = 'analytics_bi' group by 1"""
        ).fetchall()
    assert {name: columns for name, columns, _ in found} == {
        model["name"]: list(model["columns"]) for model in published_models(manifest)
    }
    assert {one for _, _, types in found for one in types} <= EVERY_TOOL_READS


def test_columns_and_views_are_described_as_the_published_ones(embedded_server, database):
    with psycopg.connect(embedded_server.dsn(database)) as conn:
        published, other = (
            conn.execute(
                """select pg_class.relname, pg_description.objsubid, pg_description.description
                from pg_class inner join pg_description on pg_class.oid = pg_description.objoid
                where relnamespace = %s::regnamespace order by 1, 2""",
                [schema],
            ).fetchall()
            for schema in ("analytics", "analytics_bi")
        )
    assert len(other) > 400 and other == published


@pytest.mark.parametrize("role", ["bound", "unbound"])
def test_a_students_rows_are_found_as_cheaply(embedded_server, database, role):
    """A filter on a text that was an id reaches the people of the scope, before any of their rows is read."""
    name, scope = ROLES[role]
    with psycopg.connect(embedded_server.dsn(database, name), autocommit=True) as conn:
        conn.execute("select set_config('app.allowed_org_ids', %s, false)", [scope])
        conn.execute("set jit = off")
        for dataset in ("attempts", "sessions", "students_xp", "students_mastery"):
            students = conn.execute(
                f"select student_id::text from analytics.{dataset} group by 1 order by count(*), 1"
            ).fetchall()
            # not the one with most rows: statistics know that one by name, and plan otherwise for it
            (student,) = students[len(students) // 2]
            published, other = (
                buffers(conn, f"select * from {schema}.{dataset} where student_id = '{student}'")
                for schema in ("analytics", "analytics_bi")
            )
            # a few buffers for each row more: Postgres does not know the id when it orders the joins
            assert other <= 1.5 * published, dataset


def buffers(conn, query: str) -> int:
    for _ in range(2):
        plan = conn.execute(f"explain (analyze, buffers, timing off, format json) {query}").fetchone()[0]
    return plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]


@pytest.mark.parametrize("tool", ["connectorx", "adbc", "ibis"])
def test_tools_read_every_dataset_without_a_cast(embedded_server, database, manifest, tcp_port, tool):
    """With as many rows as there are, as the bound role that docs/clients.md recommends."""
    uri = f"postgresql://bi_bound@127.0.0.1:{tcp_port}/{database}"
    through_ibis = ibis.postgres.connect(host="127.0.0.1", port=tcp_port, user="bi_bound", database=database)
    read = 0
    with psycopg.connect(embedded_server.dsn(database, "bi_bound")) as conn:
        for model in published_models(manifest):
            query = f"select * from analytics_bi.{model['name']}"
            rows = conn.execute(f"select count(*) from ({query}) as listed").fetchone()[0]
            if tool == "connectorx":
                frame = pl.read_database_uri(query, f"{uri}?sslmode=disable")
            elif tool == "adbc":
                frame = pl.read_database_uri(query, uri, engine="adbc")
            else:
                frame = through_ibis.table(model["name"], database="analytics_bi").to_polars()
            read += rows
            assert (frame.height, frame.columns) == (rows, list(model["columns"])), model["name"]
    through_ibis.disconnect()
    assert read > 1000


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("alter view analytics_bi.attempts set (security_barrier = false)", "barrier"),
        ("grant select on analytics_bi.attempts to public", "grants"),
        ("create view analytics_bi.stray as select 1 as one", "documented"),
        ("create or replace view analytics_bi.students as select * from analytics_bi.students", None),
    ],
)
def test_the_audit_knows_these_views(embedded_server, database, manifest, statement, rule):
    with psycopg.connect(embedded_server.dsn(database)) as conn:
        before = find_breaches(conn, manifest)
        if rule is None:
            assert before == []
            return
        conn.execute(statement)
        assert {finding.rule for finding in find_breaches(conn, manifest)} == {rule}
        conn.rollback()


def test_row_rules_name_each_users_current_organizations_to_the_service_alone(
    dbt, embedded_server, database, new_database, manifest
):
    """Nobody, or no organization, would be a rule for every row; a comma in a name one for many names."""
    name = new_database("bi_rules", template=database)
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        people = conn.execute(
            """select user_id, array_agg(distinct org_id::text)
            from operational.one_roster_role where user_id in (
                select person_id from analytics_internal.int_person_current_organization
                group by 1 having count(*) = 1 limit 2
            ) and org_id in (
                select org_id from analytics_internal.int_person_current_organization as now
                where now.person_id = one_roster_role.user_id
            ) group by 1"""
        ).fetchall()
        variables = "{bi_views: true, quicksight_row_rules: true}"
        dbt(name, "seed", "--select", "quicksight_users", "--vars", variables)
        conn.cursor().executemany(
            "insert into analytics_internal.quicksight_users values (%s, %s)",
            [
                ("school/one", people[0][0]),
                ("school/two", people[1][0]),
                ("", people[0][0]),
                ("a,b", people[0][0]),
                (None, people[0][0]),
                ("school/nobody", uuid.uuid4()),
            ],
        )
        dbt(name, "run", "--select", "quicksight_row_rules", "--vars", variables)
    wanted = sorted(
        (user, org)
        for user, (_, orgs) in zip(("school/one", "school/two"), people, strict=True)
        for org in orgs
    )
    for role, scope in ROLES.values():
        with psycopg.connect(embedded_server.dsn(name, role), autocommit=True) as conn:
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [scope])
            found = conn.execute("select user_name, org_id from analytics_bi.quicksight_row_rules").fetchall()
            plan = str(conn.execute("explain select * from analytics_bi.quicksight_row_rules").fetchall())
        assert sorted(found) == (wanted if role == "bi_service" else []), role
        assert ("quicksight_users" in plan) == (role != "bi_bound")
