"""The fixtures hold what they promise: a catalog over empty tables, and copies that do not meet."""

from typing import Any

import psycopg

from timeback_analytics.operational import is_own_schema

ORGANIZATION = "11111111-1111-4111-8111-111111111111"
STUDENT = "22222222-2222-4222-8222-222222222222"


def _insert_student(conn: psycopg.Connection) -> None:
    conn.execute(
        """insert into one_roster_user (id, given_name, family_name, status, date_created, date_last_modified)
        values (%s, 'Ada', 'Lovelace', 'active', now(), now())""",
        [STUDENT],
    )
    conn.execute(
        """insert into one_roster_role
        (id, user_id, org_id, role, role_type, status, date_created, date_last_modified)
        values (gen_random_uuid(), %s, %s, 'student', 'primary', 'active', now(), now())""",
        [STUDENT, ORGANIZATION],
    )


def test_catalog_shows_what_the_tables_hold(catalog: psycopg.Connection) -> None:
    _insert_student(catalog)
    assert catalog.execute("select * from analytics.students").fetchall() == []
    catalog.execute("select set_config('app.allowed_org_ids', %s, false)", [ORGANIZATION])
    assert catalog.execute("select name from analytics.students").fetchall() == [("Ada Lovelace",)]
    assert is_own_schema(catalog, "operational")


def test_each_test_has_its_own_copy(catalog: psycopg.Connection) -> None:
    assert catalog.execute("select count(*) from one_roster_user").fetchone() == (0,)
    _insert_student(catalog)


def test_manifest_holds_the_project(manifest: dict[str, Any]) -> None:
    assert manifest["nodes"]["model.timeback_analytics.students"]["schema"] == "analytics"
