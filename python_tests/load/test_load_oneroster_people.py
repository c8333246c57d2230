"""OneRoster bundles: the roles and the relationships of people."""

from collections.abc import Callable

import psycopg
import pytest
from load_helpers import contents
from roster_bundles import VERSIONS, row_id, small_bundle

from timeback_analytics.load import Report


def roles(conn: psycopg.Connection, sourced_id: str) -> list[tuple[str, str, str, bool]]:
    """Organization, role type, status and whether it has an end, of each role of a user."""
    return conn.execute(
        """select o.name, r.role_type, r.status, r.end_date is not null
        from one_roster_role r join one_roster_organization o on o.id = r.org_id
        where r.user_id = %s order by 1""",
        [row_id("user", sourced_id)],
    ).fetchall()


def test_roles_of_version_1_1_follow_the_users_record(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    bundle = small_bundle("1.1")
    bundle["users"][0]["orgSourcedIds"] = "s1, d1 ,s1"
    load_bundle("1.1", bundle)
    assert roles(conn, "ada") == [
        ("District", "secondary", "active", False),
        ("School", "primary", "active", False),
    ]
    bundle["users"][0] |= {"orgSourcedIds": "d1", "dateLastModified": "2025-12-24T23:30:00-05:00"}
    load_bundle("1.1", bundle)
    assert roles(conn, "ada") == [
        ("District", "primary", "active", False),
        ("School", "primary", "inactive", True),
    ]
    ended = "select max(end_date)::text from one_roster_role"
    assert conn.execute(ended).fetchone() == ("2025-12-25",)
    before = contents(conn)
    assert load_bundle("1.1", bundle).changes == 0
    assert contents(conn) == before
    bundle["users"][0]["orgSourcedIds"] = "s1,d1"
    load_bundle("1.1", bundle)
    assert roles(conn, "ada") == [
        ("District", "secondary", "active", False),
        ("School", "primary", "active", False),
    ]


def test_role_of_another_source_is_used_and_never_ended(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    conn.execute(
        """insert into one_roster_role
        (id, user_id, org_id, role, role_type, begin_date, admission_date, status, date_created,
            date_last_modified)
        select
            gen_random_uuid(), %s, org, 'student', 'primary', '2024-08-15', '2023-08-15', 'active',
            now(), now()
        from unnest(array[%s, %s]::uuid[]) org""",
        [row_id("user", "ada"), row_id("org", "s1"), row_id("org", "d1")],
    )
    load_bundle("1.1", small_bundle("1.1"))
    assert roles(conn, "ada") == [
        ("District", "primary", "active", False),
        ("School", "primary", "active", False),
    ]
    dates = (
        "select distinct begin_date::text, admission_date::text from one_roster_role where role = 'student'"
    )
    assert conn.execute(dates).fetchall() == [("2024-08-15", "2023-08-15")]


def test_roles_of_version_1_2_are_those_of_roles_csv(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    bundle = small_bundle("1.2")
    bundle["roles"] += [
        {
            "sourcedId": "r9",
            "userSourcedId": "ada",
            "roleType": "secondary",
            "role": "ext:mentor",
            "orgSourcedId": "d1",
            "beginDate": "2025-08-15",
            "endDate": "2026-06-10",
        }
    ]
    load_bundle("1.2", bundle)
    assert conn.execute(
        """select id::text, role, role_type, begin_date::text, end_date::text, admission_date
        from one_roster_role where user_id = %s and org_id = %s""",
        [row_id("user", "ada"), row_id("org", "d1")],
    ).fetchall() == [(row_id("role", "r9"), "ext:mentor", "secondary", "2025-08-15", "2026-06-10", None)]


def agents(conn: psycopg.Connection) -> list[tuple[str, str, str, str, bool]]:
    """Student, adult, type, status and whether it has ended, of each relationship."""
    return conn.execute(
        """select s.given_name, a.given_name, x.relationship_type, x.status, x.end_date is not null
        from one_roster_user_agent x
        join one_roster_user s on s.id = x.source_user_id
        join one_roster_user a on a.id = x.agent_user_id
        order by 1, 2, 3"""
    ).fetchall()


@pytest.mark.parametrize("version", VERSIONS)
def test_relationship_is_the_same_whoever_lists_it(
    conn: psycopg.Connection, load_bundle: Callable[..., Report], version: str
) -> None:
    bundle = small_bundle(version)
    bundle["users"][0]["agentSourcedIds"] = ""
    bundle["users"][1]["agentSourcedIds"] = "ada"
    load_bundle(version, bundle)
    listed = [("Ada", "Grace", "teacher", "active", False)]
    assert agents(conn) == listed
    bundle["users"][0]["agentSourcedIds"] = "grace"
    assert "one_roster_user_agent" not in {t.table for t in load_bundle(version, bundle).tables if t.changes}
    # the teacher's record brought it, and does not end it while the student's lists it
    bundle["users"][1]["agentSourcedIds"] = ""
    load_bundle(version, bundle)
    assert agents(conn) == listed


@pytest.mark.parametrize("version", VERSIONS)
def test_relationship_ends_and_comes_back(
    conn: psycopg.Connection, load_bundle: Callable[..., Report], version: str
) -> None:
    bundle = small_bundle(version)
    load_bundle(version, bundle)
    bundle["users"][0]["agentSourcedIds"] = "byron"
    load_bundle(version, bundle)
    assert agents(conn) == [
        ("Ada", "George", "parent", "active", False),
        ("Ada", "Grace", "teacher", "inactive", True),
    ]
    before = contents(conn)
    assert load_bundle(version, bundle).changes == 0
    assert contents(conn) == before
    bundle["users"][0]["agentSourcedIds"] = "byron,grace"
    load_bundle(version, bundle)
    assert agents(conn) == [
        ("Ada", "George", "parent", "active", False),
        ("Ada", "Grace", "teacher", "active", False),
    ]


def test_students_are_peers_and_an_open_relationship_of_another_source_is_used(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    bundle = small_bundle("1.1")
    bundle["users"][2]["role"] = "student"
    conn.execute(
        """insert into one_roster_user_agent
        (id, source_user_id, agent_user_id, relationship_type, status, begin_date, date_created,
        date_last_modified)
        values (gen_random_uuid(), %s, %s, 'teacher', 'active', '2024-08-15', now(), now())""",
        [row_id("user", "ada"), row_id("user", "grace")],
    )
    load_bundle("1.1", bundle)
    assert agents(conn) == [
        ("Ada", "George", "peer", "active", False),
        ("Ada", "Grace", "teacher", "active", False),
    ]
    # what this did not bring, it does not end
    bundle["users"][0]["agentSourcedIds"] = ""
    load_bundle("1.1", bundle)
    assert agents(conn) == [
        ("Ada", "George", "peer", "inactive", True),
        ("Ada", "Grace", "teacher", "active", False),
    ]


def test_role_that_names_a_relationship(conn: psycopg.Connection, load_bundle: Callable[..., Report]) -> None:
    """Of several roles the one at an organization of both counts, then the primary one."""
    bundle = small_bundle("1.2")
    bundle["orgs"].append({"sourcedId": "s2", "name": "Other school", "type": "school"})
    bundle["roles"][1] |= {"orgSourcedId": "s2", "role": "principal"}
    bundle["roles"] += [
        {"sourcedId": f"x{n}", "userSourcedId": "grace", "roleType": kind, "role": role, "orgSourcedId": "s1"}
        for n, (kind, role) in enumerate([("secondary", "aide"), ("primary", "parent")])
    ]
    load_bundle("1.2", bundle)
    assert ("Ada", "Grace", "parent", "active", False) in agents(conn)


def test_agent_of_an_earlier_load(conn: psycopg.Connection, load_bundle: Callable[..., Report]) -> None:
    """A delta that has the student alone finds the adult, and the adult's role, in the database."""
    bundle = small_bundle("1.2")
    bundle["users"][0]["agentSourcedIds"] = ""
    load_bundle("1.2", bundle)
    changed = {"status": "active", "dateLastModified": "2030-01-01T00:00:00Z", "agentSourcedIds": "grace"}
    load_bundle("1.2", {"users": [bundle["users"][0] | changed]}, mode="delta")
    assert agents(conn) == [("Ada", "Grace", "teacher", "active", False)]
