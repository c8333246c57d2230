"""A run against a database that lacks something says all that it lacks, and deploys nothing."""

import hashlib
from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from conftest import Dbt
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

FEW = ("run", "--select", "stg_lti_application", "stg_caliper_event")


@pytest.fixture
def operational_database(embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> str:
    """The name of a database with the operational tables, empty, and nothing of dbt's."""
    name = new_database("check_sources")
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        create_operational_schema(conn, "operational")
    return name


def _server(server: EmbeddedServer, database: str, user: str = "postgres") -> dict[str, str]:
    """The environment in which dbt's target `server` is a database of the test server."""
    return {"PGHOST": str(server.socket_dir), "PGUSER": user, "PGDATABASE": database}


def _deployed(server: EmbeddedServer, database: str) -> list[str]:
    with psycopg.connect(server.dsn(database)) as conn:
        return [
            name
            for (name,) in conn.execute(
                """select oid::regclass::text from pg_class
                where relnamespace::regnamespace::text like 'analytics%'"""
            )
        ]


def _problems(output: str) -> list[str]:
    """The lines of the list of problems, as they were printed."""
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if "Looked in database" in line)
    end = next(number for number, line in enumerate(lines) if "Tables in another schema" in line)
    return [line.strip() for line in lines[start + 1 : end]]


def test_everything_that_is_wrong_is_named_at_once(
    embedded_server: EmbeddedServer, operational_database: str, dbt: Dbt
) -> None:
    with psycopg.connect(embedded_server.dsn(operational_database)) as conn:
        conn.execute("set search_path = operational")
        conn.execute("drop table caliper_event")
        conn.execute("alter table tb_xp_ledger drop column value, drop column user_id")
        conn.execute("alter table caliper_session alter started_at_time type timestamp")
        conn.execute("alter table cf_item alter full_statement type varchar(200)")
        conn.execute("create domain whole as integer")
        conn.execute("alter table caliper_attempt alter count type whole")
        conn.execute("alter table placement_grade alter order_number type bigint")
    result = dbt(operational_database, *FEW, check=False)
    assert result.returncode != 0
    assert "in 5 places. No view was made or changed" in result.stdout
    assert (
        f"Looked in database {operational_database} on {embedded_server.socket_dir}, port 5432, as postgres"
        in result.stdout
    )
    assert _problems(result.stdout) == [
        "operational.caliper_event: table is missing",
        "operational.caliper_session: column started_at_time is timestamp without time zone, not timestamptz",
        "operational.placement_grade: column order_number is bigint, not integer",
        "operational.tb_xp_ledger: column user_id is missing",
        "operational.tb_xp_ledger: column value is missing",
    ]
    assert _deployed(embedded_server, operational_database) == []


def test_what_the_deploying_role_may_not_read_is_named(
    embedded_server: EmbeddedServer, operational_database: str, dbt: Dbt
) -> None:
    database = sql.Identifier(operational_database)
    with psycopg.connect(embedded_server.dsn(operational_database), autocommit=True) as conn:
        conn.execute("create role barely_allowed login")
        conn.execute(sql.SQL("grant create on database {} to barely_allowed").format(database))
        conn.execute("drop schema public")
        conn.execute("alter schema operational rename to public")
        conn.execute("set search_path = public")
        conn.execute("grant select on all tables in schema public to barely_allowed")
        conn.execute("revoke select on one_roster_user, lti_application from barely_allowed")
        conn.execute("grant select (id, name) on lti_application to barely_allowed")
    server = _server(embedded_server, operational_database, user="barely_allowed")
    result = dbt(operational_database, *FEW, "--target", "server", check=False, env=server)
    assert result.returncode != 0
    assert _problems(result.stdout) == [
        "public: schema may not be used by barely_allowed",
        "public.lti_application: column application_type may not be read by barely_allowed",
        "public.one_roster_user: table may not be read by barely_allowed",
    ]
    assert _deployed(embedded_server, operational_database) == []


def test_a_schema_that_is_not_there_is_named_once(
    embedded_server: EmbeddedServer, operational_database: str, dbt: Dbt
) -> None:
    with psycopg.connect(embedded_server.dsn(operational_database)) as conn:
        conn.execute("alter schema operational rename to elsewhere")
    result = dbt(operational_database, *FEW, check=False)
    assert result.returncode != 0
    assert _problems(result.stdout) == ["operational: schema is missing"]
    assert _deployed(embedded_server, operational_database) == []


def test_tables_are_found_where_the_variables_say(
    embedded_server: EmbeddedServer, operational_database: str, dbt: Dbt
) -> None:
    """Another schema, with a name that needs quoting, and another name for one table."""
    with psycopg.connect(embedded_server.dsn(operational_database)) as conn:
        conn.execute("alter table operational.caliper_event rename to events")
        conn.execute("""alter schema operational rename to "Platform's own" """)
    variables = '{"source_schema": "Platform\'s own", "source_identifiers": {"caliper_event": "events"}}'
    dbt(operational_database, *FEW, "--vars", variables)
    with psycopg.connect(embedded_server.dsn(operational_database)) as conn:
        view = conn.execute("select pg_get_viewdef('analytics_internal.stg_caliper_event'::regclass)")
        assert """FROM "Platform's own".events""" in view.fetchone()[0]


def test_a_slip_in_source_identifiers_is_named(
    embedded_server: EmbeddedServer, operational_database: str, dbt: Dbt
) -> None:
    slip = ("--vars", "{source_identifiers: {caliper_events: events}}")
    result = dbt(operational_database, *FEW, *slip, check=False)
    assert result.returncode != 0
    assert "source_identifiers renames caliper_events, which the catalog does not read" in result.stdout
    assert "caliper_event, caliper_resource_relation" in result.stdout
    assert _deployed(embedded_server, operational_database) == []


# --- a server's own tables --------------------------------------------------------------------------

# One well-formed row for each table. 1 is the student, 2 the guide, 3 the school.
ROWS = """
insert into one_roster_user values
('{1}', 'Ada', 'Lovelace', 'ada@school.edu', 'ada', 'active', '{t}', '{t}'),
('{2}', 'Grace', 'Hopper', 'grace@school.edu', 'grace', 'active', '{t}', '{t}');
insert into one_roster_organization values ('{3}', 'School', 'school', 'S1', null, 'active', '{t}', '{t}');
insert into one_roster_role values
('{4}', '{1}', '{3}', 'student', 'primary', '2025-08-15', null, '2025-08-15', 'active', '{t}', '{t}'),
('{5}', '{2}', '{3}', 'teacher', 'primary', '2025-08-15', null, null, 'active', '{t}', '{t}');
insert into one_roster_course values ('{6}', 'Algebra', 'A1', '{3}', 'active', '{t}', '{t}');
insert into one_roster_class values
('{7}', 'Algebra A', 'A1-A', 'scheduled', '{6}', '{3}', 'active', '{t}', '{t}');
insert into one_roster_class_subject values ('{7}', '{8}');
insert into one_roster_class_grade values ('{7}', '{9}');
insert into one_roster_enrollment values
('{10}', '{1}', '{7}', 'student', null, '2025-08-15', null, 'active', '{t}', '{t}');
insert into one_roster_user_agent values
('{11}', '{1}', '{2}', 'teacher', 'active', '2025-08-15', null, '{t}', '{t}');
insert into one_roster_assessment_result values
('{12}', '{1}', null, 'active', 'fully graded', 210, '{t}', 'https://example.edu/map', '{t}', '{t}');
insert into caliper_session values ('urn:uuid:{13}', '{1}', '{14}', '{t}', '{u}', '{t}', '{t}');
insert into caliper_attempt values
('urn:uuid:{15}', '{1}', 'question', 1, '{t}', '{u}', 'PT5M', '{t}', '{t}');
insert into caliper_score values ('urn:uuid:{16}', 'urn:uuid:{15}', 1, 1, '{t}');
insert into caliper_event values
('urn:uuid:{17}', 'GradeEvent', 'Graded', null, 'urn:uuid:{15}', null, 'urn:uuid:{13}', '{t}');
insert into caliper_assessment values ('test', 'Test', null);
insert into caliper_assessment_item values ('question', 'Question', null, 'quiz');
insert into caliper_assignable_digital_resource values
('subject', 'Mathematics', null, 'curriculum/subject'), ('{6}', 'Algebra', null, 'curriculum/course'),
('unit', 'Unit', null, 'curriculum/unit'), ('lesson', 'Lesson', null, 'curriculum/lesson');
insert into caliper_resource_relation values
('question', 'test', 'isPartOf', 1), ('test', 'lesson', 'isPartOf', 1), ('lesson', 'unit', 'isPartOf', 1),
('unit', '{6}', 'isPartOf', 1), ('{6}', 'subject', 'isPartOf', 1);
insert into cf_document values ('{18}', 'Framework');
insert into cf_item values ('{19}', '{18}', 'Algebra', 'A', 'Course');
insert into cf_item_subject values ('{19}', '{8}');
insert into cf_subject values ('{8}', 'Mathematics', 'MATH', null);
insert into placement_grade values ('{9}', '09', 'Grade 9', 9);
insert into placement_student_subject_placement values ('{20}', '{1}', '{8}', '{9}', 'Completed', '{t}');
insert into lti_application values ('{14}', 'Algebra app', 'learning');
insert into lti_application_subject values ('{14}', 'Mathematics');
insert into lti_application_curriculum_scope values ('{14}', '{18}');
insert into clr_achievement values ('{21}', '{19}', 'StandardMastery');
insert into clr_achievement_credential values ('{22}', '{21}', '{1}', 0.9, '{t}', '{t}');
insert into insights_type values ('{23}', 'EyesOffScreen', 'Engagement', 'external', true);
insert into insights_config values ('{23}', true);
insert into insights_session values ('{24}', 'urn:uuid:{13}', '{1}', '{14}', true, false, '{t}');
insert into insights_insight values ('{25}', '{24}', '{23}', '{t}', '{u}', 'Looked away', true, '{t}');
insert into insights_review values ('{26}', '{25}', 'TruePositive', '{u}');
insert into insights_recommendation values
('{27}', '{1}', 'daily-coaching', 'manual', null, null, 'student', 'Well done',
'{t}', null, null, null, null);
insert into tb_xp_ledger values ('{28}', '{1}', '{14}', 'urn:uuid:{17}', 5, '{t}', '{t}');
"""


def _state(conn: psycopg.Connection, schema: str) -> dict[str, tuple[str, str]]:
    """Of each table of a schema: a checksum of its rows and one of how it is defined."""
    state = {}
    for (table,) in conn.execute(
        "select relname from pg_class where relnamespace = to_regnamespace(%s) and relkind <> 'i'", [schema]
    ).fetchall():
        name = sql.Identifier(schema, table)
        rows = conn.execute(
            sql.SQL("select row_to_json(found)::text from {} as found order by 1").format(name)
        )
        definition = conn.execute(
            """select pg_class.oid, relkind, relfilenode, relowner, relacl::text, reloptions, relrowsecurity,
                array(select (attname, attnum, atttypid, attnotnull)::text from pg_attribute
                    where attrelid = pg_class.oid order by attnum),
                array(select pg_get_indexdef(indexrelid) from pg_index
                    where indrelid = pg_class.oid order by 1),
                array(select pg_get_triggerdef(oid) from pg_trigger where tgrelid = pg_class.oid order by 1),
                obj_description(pg_class.oid)
            from pg_class where oid = to_regclass(%s)""",
            [name.as_string(conn)],
        ).fetchone()
        state[table] = (
            hashlib.sha256(repr(rows.fetchall()).encode()).hexdigest(),
            hashlib.sha256(repr(definition).encode()).hexdigest(),
        )
    return state


@pytest.fixture
def server_database(embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> str:
    """The name of a database as a platform has it: its tables in `public`, with a row or more in each."""
    name = new_database("platform")
    names = {str(number): f"00000000-0000-4000-8000-{number:012}" for number in range(1, 29)}
    rows = ROWS.replace("{t}", "2026-03-14 09:00:00+00").replace("{u}", "2026-03-14 09:30:00+00")
    for number, identifier in names.items():
        rows = rows.replace(f"{{{number}}}", identifier)
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        conn.execute("drop schema public")
        create_operational_schema(conn, "public")
        conn.execute("set search_path = public")
        conn.execute(rows)
        empty = [
            table
            for (table,) in conn.execute(
                "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
            ).fetchall()
            if conn.execute(
                sql.SQL("select not exists (select from {})").format(sql.Identifier(table))
            ).fetchone()[0]
        ]
        # ROAR's datasets are not asked for on a server
        assert empty == ["roar_document"]
    return name


def test_a_build_on_a_server_leaves_its_tables_as_they_were(
    embedded_server: EmbeddedServer, server_database: str, dbt: Dbt
) -> None:
    with psycopg.connect(embedded_server.dsn(server_database), autocommit=True) as conn:
        before = _state(conn, "public")
        assert len(before) == 37
        server = _server(embedded_server, server_database)
        # as a build does; the tests of models read views alone
        dbt(server_database, "run", "--target", "server", env=server)
        dbt(server_database, "test", "--select", "source:operational", "--target", "server", env=server)
        assert _state(conn, "public") == before
        conn.execute("set app.allowed_org_ids = '00000000-0000-4000-8000-000000000003'")
        assert conn.execute("select name from analytics.students").fetchall() == [("Ada Lovelace",)]


def test_a_role_that_may_only_read_the_tables_can_deploy(
    embedded_server: EmbeddedServer, server_database: str, dbt: Dbt
) -> None:
    with psycopg.connect(embedded_server.dsn(server_database), autocommit=True) as conn:
        conn.execute("create role deployer login")
        conn.execute(
            sql.SQL("grant create on database {} to deployer").format(sql.Identifier(server_database))
        )
        conn.execute("grant usage on schema public to deployer")
        conn.execute("grant select on all tables in schema public to deployer")
    server = _server(embedded_server, server_database, user="deployer")
    dbt(server_database, "run", "--target", "server", env=server)
    with psycopg.connect(embedded_server.dsn(server_database, "deployer"), autocommit=True) as conn:
        conn.execute("set app.allowed_org_ids = '00000000-0000-4000-8000-000000000003'")
        assert conn.execute("select name from analytics.students").fetchall() == [("Ada Lovelace",)]
