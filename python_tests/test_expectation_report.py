"""How a difference between a view and its expectation is told: small, with its seed, as SQL that shows it."""

import re

import psycopg

from expectation.run import Run
from timeback_analytics.server import EmbeddedServer


def test_a_difference_is_shrunk_and_told_with_its_seed(
    embedded_server: EmbeddedServer, catalog_database: str, catalog: psycopg.Connection
):
    """A view that shows names in capitals: one person with a role is all that it takes to see it."""
    old = catalog.execute("select rtrim(pg_get_viewdef('analytics.students'::regclass), ';')").fetchone()[0]
    catalog.execute(
        "create or replace view analytics.students with (security_barrier = true) as"
        f" select old.id, upper(old.name) as name, old.email, old.org_ids from ({old}) as old"
    )
    dsn = embedded_server.dsn(catalog_database)
    run = Run(dsn, range(8)).explore()
    assert set(run.differences) == {"students"}
    seed, difference = run.differences["students"]
    assert len(difference.missing) >= 1

    report = run.report("students")
    assert re.search(rf"\bTIMEBACK_SEED={seed}\b", report), report
    inserts = re.findall(r'^insert into "operational"\."(\w+)"', report, re.MULTILINE)
    assert sorted(inserts) == ["one_roster_role", "one_roster_user"], report
    assert report.count("missing: ") == report.count("unexpected: ") == 1

    # what it prints shows the difference to whoever pastes it
    unexpected = re.search(r"^unexpected: .*\bname='([^']*)'", report, re.MULTILINE)[1]
    statements = report[report.index("begin;") :]
    shown = []
    with psycopg.connect(dsn, autocommit=True) as conn:
        cursor = conn.execute(statements)
        while True:
            if cursor.description and "email" in {column.name for column in cursor.description}:
                shown = cursor.fetchall()
            if not cursor.nextset():
                break
    assert [row[1] for row in shown] == [unexpected]
    assert run.report("grades") is None
