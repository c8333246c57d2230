"""The catalog on an older PostgreSQL than the embedded one: the same views, the same answers.

The server is Debian's (PostgreSQL 15; any of 14 to 17 will do), with citext and a linguistic collation,
neither of which the embedded one has: an order that needs code points and does not say so shows here.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from attacks.suite import ATTACKS
from attacks.world import BOUND, World, let_in, make_all, report, with_some_guesses
from expectation.run import Run
from older_server import OlderServer
from timeback_analytics.checkpoint import Checkpoint
from timeback_analytics.demo import build_demo
from timeback_analytics.operational import table_names
from timeback_analytics.promises import suites
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long


@pytest.fixture(scope="module")
def older_catalog(older_server: OlderServer, dbt: Callable[..., Any]) -> str:
    """A database of the older server: the demo in `operational`, the catalog built by target `server`."""
    with psycopg.connect(older_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            "create database catalog template template0 locale_provider icu icu_locale 'en-US'"
            if connection.info.server_version >= 150000
            else "create database catalog"
        )
    with psycopg.connect(older_server.dsn("catalog"), autocommit=True) as connection:
        connection.execute("create extension citext")
        build_demo(connection=connection)
    # as a user with libpq's variables types it
    dbt(
        "catalog",
        *("run", "--target", "server", "--vars", "{source_schema: operational, roar: true}"),
        env={"PGHOST": str(older_server.socket_dir), "PGUSER": older_server.user, "PGDATABASE": "catalog"},
    )
    return "catalog"


def published(connection: psycopg.Connection) -> dict[str, list[str]]:
    """The published views and their columns."""
    return dict(
        connection.execute(
            """
            select relname, array_agg(attname::text order by attnum)
            from pg_class inner join pg_attribute on attrelid = pg_class.oid
            where relnamespace = 'analytics'::regnamespace and relkind = 'v' and attnum > 0
            group by relname
            """
        ).fetchall()
    )


def answers(dsn: str, dataset: str, scope: str, roar_scope: str) -> list[bytes]:
    """A dataset's rows under a scope, and one of ROAR's, as text, in an order of their own."""
    with psycopg.connect(dsn) as connection:
        connection.execute("set local timezone = 'UTC'")
        connection.execute("select set_config('app.allowed_org_ids', %s, true)", [scope])
        connection.execute("select set_config('app.allowed_roar_org_ids', %s, true)", [roar_scope])
        with connection.cursor().copy(
            sql.SQL("copy (select * from {}) to stdout").format(sql.Identifier("analytics", dataset))
        ) as copy:
            return sorted(bytes(chunk) for chunk in copy)


def test_same_views_with_the_same_columns(
    older_server: OlderServer, older_catalog: str, embedded_server: EmbeddedServer, demo_database: str
) -> None:
    with (
        psycopg.connect(older_server.dsn(older_catalog)) as older,
        psycopg.connect(embedded_server.dsn(demo_database)) as embedded,
    ):
        assert published(older) == published(embedded)


def test_email_is_citext_there_and_text_here(
    older_server: OlderServer, older_catalog: str, embedded_server: EmbeddedServer, demo_database: str
) -> None:
    kinds = []
    for dsn in (older_server.dsn(older_catalog), embedded_server.dsn(demo_database)):
        with psycopg.connect(dsn) as connection:
            kinds.append(
                connection.execute(
                    "select format_type(atttypid, null) from pg_attribute"
                    " where attrelid = 'analytics.students'::regclass and attname = 'email'"
                ).fetchone()[0]
            )
    assert kinds == ["citext", "text"]


def test_the_check_knows_citext(
    older_server: OlderServer, older_catalog: str, manifest: dict[str, Any]
) -> None:
    """Its type is in a schema that the check's own sessions do not look into."""
    checkpoint = Checkpoint(older_server.dsn(older_catalog), "analytics", "*")
    try:
        (suite,) = [suite for suite in suites(manifest, "analytics") if suite.dataset == "students"]
        rules = tuple(rule for rule in suite.rules if rule.name in ("columns", "types", "unique"))
        outcomes = checkpoint.run(replace(suite, rules=rules))
    finally:
        checkpoint.close()
    assert {outcome.rule.name for outcome in outcomes} == {"columns", "types", "unique"}
    # a warning may well be broken, by the demo's own rows
    broken = [outcome for outcome in outcomes if not outcome.passed]
    assert [outcome for outcome in broken if outcome.error or not outcome.rule.is_warning] == []


@pytest.mark.parametrize("who", ["nobody", "one school", "two schools", "everybody"])
def test_same_answers(
    older_server: OlderServer,
    older_catalog: str,
    embedded_server: EmbeddedServer,
    demo_database: str,
    who: str,
) -> None:
    with psycopg.connect(embedded_server.dsn(demo_database)) as connection:
        schools = [
            str(school)
            for (school,) in connection.execute(
                """
                select org_id from analytics_internal.int_person_current_organization
                group by org_id order by count(*) desc, org_id limit 2
                """
            )
        ]
        of_roar = connection.execute(
            """
            select array_agg(org_id)::text, (array_agg(org_id))[:1]::text from (
                select org_id from analytics_internal.int_roar_user_current_organization
                group by org_id order by count(*) desc, org_id collate "C" limit 2
            ) as most
            """
        ).fetchone()
        datasets = published(connection)
    scope, roar_scope = {
        "nobody": ("", ""),
        "one school": (schools[0], of_roar[1]),
        "two schools": (",".join(schools), of_roar[0]),
        "everybody": ("*", "*"),
    }[who]
    seen = 0
    for dataset in sorted(datasets):
        here = answers(embedded_server.dsn(demo_database), dataset, scope, roar_scope)
        there = answers(older_server.dsn(older_catalog), dataset, scope, roar_scope)
        assert there == here, f"{dataset} differs for {who}"
        seen += len(here)
    assert seen > 0


def test_stored_facts_find_what_changed_there_too(
    older_server: OlderServer, older_catalog: str, dbt: Callable[..., Any]
) -> None:
    variables = "source_schema: operational, roar: true, stored_facts: true"

    def run() -> None:
        dbt(
            "stored",
            *("run", "--target", "server", "--select", "2+config.materialized:incremental+"),
            *("--vars", f"{{{variables}}}"),
            env={"PGHOST": str(older_server.socket_dir), "PGUSER": older_server.user, "PGDATABASE": "stored"},
        )

    with psycopg.connect(older_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"create database stored template {older_catalog}")
    run()
    with psycopg.connect(older_server.dsn("stored"), autocommit=True) as connection:
        connection.execute(
            """delete from operational.caliper_score where id in (
                select score_id from analytics_internal.int_attempt_stored
                inner join analytics_internal.int_attempt_stored_ids using (student_id, resource_id)
                where is_correct limit 3
            )"""
        )
        run()
        state = connection.execute(
            """select is_whole, changed_rows, removed_rows, added_rows from analytics_internal.refresh_state
            where model_name = 'int_attempt_stored' and source_name = 'caliper_score'"""
        ).fetchone()
        connection.execute("set search_path = analytics_internal")
        different = connection.execute(
            """with live as (
                select
                    student_id, resource_id, session_id, date, start_time, end_time, duration_sec, is_correct
                from int_attempt_live
            )
            (table int_attempt_stored except all table live)
            union all
            (table live except all table int_attempt_stored)"""
        ).fetchall()
    assert state == (False, 0, 3, 3)
    assert different == []


def without_rows(server: OlderServer, catalog: str, name: str) -> str:
    """A copy of the catalog's database, its operational tables empty."""
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(catalog))
        )
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        tables = [sql.Identifier("operational", table) for table in table_names()]
        connection.execute(sql.SQL("truncate {}").format(sql.SQL(", ").join(tables)))
    return name


def test_rows_are_those_of_the_documentation_there_too(older_server: OlderServer, older_catalog: str) -> None:
    """Adversarial rows give what the documentation says under citext and a linguistic collation."""
    examples = without_rows(older_server, older_catalog, "examples")
    run = Run(older_server.dsn(examples), range(4000, 4012)).explore()
    reports = [run.report(dataset) for dataset in run.differences]
    assert reports == [], "\n\n".join(reports)


def test_nor_does_a_plan_tell_a_bound_reader_of_others_there(
    older_server: OlderServer,
    older_catalog: str,
    manifest: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Older planners leave more in a plan of what is known not to run, with what statistics say of it."""
    world = World(older_server, without_rows(older_server, older_catalog, "attacked"))
    let_in(world, manifest)
    attacks = [attack for attack in ATTACKS if attack.needs == "binding" and "plan" in attack.name]
    assert len(attacks) > 4
    world = with_some_guesses(world)
    outcome = make_all(world, BOUND, f"{world.own}, {world.foreign}", attacks)
    report(capsys, "a bound reader of an older server", outcome, attacks, world)
    assert outcome.disclosures == {}
