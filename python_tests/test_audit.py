"""timeback audit: no finding in the catalog as deployed, one for each thing broken on purpose, none after."""

import copy
import json
from collections.abc import Iterator

import psycopg
import pytest
from click.testing import CliRunner

from timeback_analytics.audit import RULES, find_breaches
from timeback_analytics.cli import main

STRANGER = "lint_stranger"

# as postgres_fdw's would be, which the embedded server does not have
FOREIGN_TABLE = """create foreign data wrapper nothing;
create server node foreign data wrapper nothing options (host 'localhost');
create user mapping for current_user server node;
create foreign table analytics_internal.refresh_mark_node (mark text) server node"""
# rule -> (what breaks it, the object and finding that are reported)
BROKEN = [
    (
        "owner",
        "alter view analytics.students owner to {stranger}",
        "analytics.students is owned by {stranger}",
    ),
    (
        "owner",
        "alter table analytics_internal.scope_binding owner to {stranger}",
        "analytics_internal.scope_binding",
    ),
    ("owner", "alter schema analytics owner to {stranger}", "schema analytics is owned by {stranger}"),
    (
        "barrier",
        "alter view analytics.attempts set (security_barrier = false)",
        "analytics.attempts is scoped and no",
    ),
    (
        "barrier",
        "alter view analytics.attempts reset (security_barrier)",
        "analytics.attempts is scoped and no",
    ),
    (
        "grants",
        "grant select on analytics.students to {stranger}",
        "analytics.students {stranger} has SELECT",
    ),
    (
        "grants",
        "grant select (name) on analytics.students to public",
        "analytics.students.name everybody has SELECT",
    ),
    ("grants", "grant delete on analytics.students to timeback_reader", "timeback_reader has DELETE"),
    (
        "grants",
        "grant select on analytics.students to timeback_reader with grant option",
        "analytics.students timeback_reader has SELECT with grant option",
    ),
    ("grants", "grant create on schema analytics to timeback_reader", "timeback_reader has CREATE"),
    ("grants", "grant usage on schema analytics_internal to {stranger}", "{stranger} has USAGE"),
    (
        "grants",
        "grant select on analytics_internal.int_students to timeback_reader",
        "timeback_reader has SELECT",
    ),
    ("grants", "grant insert on analytics_internal.scope_binding to {stranger}", "{stranger} has INSERT"),
    (
        "grants",
        "alter default privileges in schema analytics grant select on tables to {stranger}",
        "default privileges of postgres",
    ),
    (
        "search path",
        "alter function analytics_internal.caller_scope reset search_path",
        "has no search_path of its own",
    ),
    (
        "search path",
        "alter function analytics_internal.caller_scope security definer",
        "runs with the rights of its owner",
    ),
    (
        "sources",
        "alter table operational.one_roster_role rename to before; "
        "create table operational.one_roster_role (like operational.before)",
        "analytics_internal.stg_one_roster_role reads operational.before",
    ),
    (
        "sources",
        "alter table operational.one_roster_role rename column end_date to before; "
        "alter table operational.one_roster_role add column end_date date",
        "reads operational.one_roster_role.before, and was made to read operational.one_roster_role.end_date",
    ),
    (
        "sources",
        "alter table operational.one_roster_role rename column end_date to aside; "
        "alter table operational.one_roster_role rename column begin_date to end_date; "
        "alter table operational.one_roster_role rename column aside to begin_date",
        "reads operational.one_roster_role.end_date, operational.one_roster_role.begin_date, and was made to "
        "read operational.one_roster_role.begin_date, operational.one_roster_role.end_date",
    ),
    ("place", "grant create on schema public to public", "everybody may create in it"),
    ("documented", "create table analytics.notes (note text)", "analytics.notes is not a documented dataset"),
    (
        "documented",
        "create function analytics.f() returns int language sql set search_path = pg_catalog, pg_temp "
        "as 'select 1'",
        "analytics.f() is a function",
    ),
    *(
        (
            "rights",
            "grant timeback_bound to {stranger}; insert into analytics_internal.scope_binding "
            "values ('{stranger}', gen_random_uuid(), '{stranger}'::regrole); " + right,
            "{stranger} " + said,
        )
        for right, said in (
            ("grant pg_read_all_data to {stranger}", "is a member of pg_read_all_data"),
            ("alter role {stranger} createrole", "may create roles (CREATEROLE)"),
            ("alter role {stranger} superuser", "is a superuser"),
            (
                "grant usage on schema operational to public; "
                "grant select (id) on operational.one_roster_user, operational.caliper_event to public",
                "may read operational.caliper_event and 1 more of the tables behind the views",
            ),
            (
                "create role lint_group; grant lint_group to {stranger}; "
                "grant usage on schema operational to lint_group; "
                "grant select on operational.one_roster_user to lint_group; "
                "alter role {stranger} noinherit",
                "may read operational.one_roster_user of the tables",
            ),
        )
    ),
    (
        "search path",
        "alter function analytics_internal.is_bound_when_planned security definer",
        "runs with the rights of its owner",
    ),
    (
        "flattened",
        "create or replace view analytics.students with (security_barrier) as "
        "select id, name, email, array[id] as org_ids from analytics_internal.int_students, "
        "analytics_internal.int_caller_scope where is_everyone union all "
        "select id, name, email, array[id] from analytics_internal.int_students where false",
        "analytics.students is a UNION ALL that loses its barrier",
    ),
    (
        "bindings",
        "insert into analytics_internal.scope_binding values ('gone', gen_random_uuid())",
        "gone is bound and is not a role of this server",
    ),
    (
        "bindings",
        "insert into analytics_internal.scope_binding values ('{stranger}', gen_random_uuid(), 1)",
        "{stranger} is not the role of this name that was bound",
    ),
    (
        "bindings",
        "insert into analytics_internal.scope_binding "
        "values ('{stranger}', gen_random_uuid(), '{stranger}'::regrole)",
        "{stranger} is bound and is not a member of timeback_bound",
    ),
    (
        "bindings",
        "grant timeback_bound to {stranger} with admin option; insert into analytics_internal.scope_binding "
        "values ('{stranger}', gen_random_uuid(), '{stranger}'::regrole)",
        "{stranger} is bound and may grant timeback_bound",
    ),
    (
        "bindings",
        "grant timeback_bound to {stranger}; insert into analytics_internal.scope_binding "
        "values ('{stranger}', gen_random_uuid(), '{stranger}'::regrole); "
        "insert into analytics_internal.default_scope values ('{stranger}', 'app.allowed_org_ids', '*')",
        "{stranger} is bound, and its default scope is gone from this database: alter role {stranger} in",
    ),
    ("readers", "revoke usage on schema analytics from timeback_reader", "timeback_reader may not use it"),
    (
        "readers",
        "revoke select on analytics.students from timeback_reader",
        "analytics.students timeback_reader may not select from it",
    ),
    (
        "readers",
        "alter role timeback_reader rename to lint_aside; drop owned by lint_aside",
        "role timeback_reader is missing, so nobody can read: create role timeback_reader nologin",
    ),
    *(
        ("servers", f"{FOREIGN_TABLE}; {change}", f"server node {finding}")
        for change, finding in (
            ("grant usage on foreign server node to public", "everybody may use it"),
            ("create user mapping for {stranger} server node", "has a mapping of {stranger}"),
            ("create user mapping for public server node", "has a mapping of everybody"),
            ("drop user mapping for current_user server node", "has no mapping of postgres"),
            ("alter server node options (set host 'far')", "is reached over a network without sslmode"),
            (
                "grant usage on foreign data wrapper nothing to {stranger}; alter server node owner "
                "to {stranger}",
                "is owned by {stranger}, who may lead it elsewhere",
            ),
        )
    ),
]


@pytest.fixture
def conn(catalog: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The deployed catalog in a transaction that is rolled back, and a role that has no part in it."""
    with catalog.transaction(force_rollback=True):
        catalog.execute(f"create role {STRANGER}")
        yield catalog


def findings(conn: psycopg.Connection, manifest: dict) -> list[tuple[str, str]]:
    return [(found.rule, f"{found.object} {found.finding}") for found in find_breaches(conn, manifest)]


def test_the_catalog_as_deployed_has_none(conn, manifest):
    assert findings(conn, manifest) == []


@pytest.mark.parametrize(("rule", "breaking", "said"), BROKEN, ids=[broken[1][:60] for broken in BROKEN])
def test_one_breach_is_one_finding(conn, manifest, rule, breaking, said):
    with conn.transaction(force_rollback=True):
        conn.execute(breaking.format(stranger=STRANGER))
        [(found_rule, found)] = findings(conn, manifest)
        assert found_rule == rule
        assert said.format(stranger=STRANGER) in found
    assert findings(conn, manifest) == []


FUNCTIONS = {
    "select id, name, email, org_ids from ({old}) as old where random() < 2": "calls volatile random()",
    "select id, name, email, org_ids from ({old}) as old where current_setting('x', true) is null": (
        "calls current_setting(text,boolean), which the caller controls"
    ),
    "select id, name, email, org_ids from ({old}) as old where public.agree(name)": (
        f"calls public.agree(text), which {STRANGER} owns"
    ),
    "select id, name, email, org_ids from ({old}) as old where name operator(public.===) name": (
        f"calls public.alike(text,text), which {STRANGER} owns"
    ),
}


@pytest.mark.parametrize("query", FUNCTIONS)
def test_a_function_that_the_caller_or_a_stranger_controls(conn, manifest, query):
    """Also one behind an operator, and Postgres's own, which its table of dependencies leaves out."""
    conn.execute("set local search_path = public")
    for function in ("agree(text)", "alike(text, text)"):
        conn.execute(
            f"create function public.{function} returns boolean language sql immutable as 'select true'"
        )
    conn.execute("create operator public.=== (function = public.alike, leftarg = text, rightarg = text)")
    for function in ("agree(text)", "alike(text, text)"):
        conn.execute(f"alter function public.{function} owner to {STRANGER}")
    assert findings(conn, manifest) == []
    old = conn.execute("select rtrim(pg_get_viewdef('analytics.students'::regclass), ';')").fetchone()[0]
    conn.execute(
        f"create or replace view analytics.students with (security_barrier = true) as {query.format(old=old)}"
    )
    assert findings(conn, manifest) == [("functions", f"analytics.students {FUNCTIONS[query]}")]


def test_a_view_that_runs_with_the_callers_rights(conn, manifest):
    if conn.info.server_version < 150000:
        pytest.skip("PostgreSQL 14 has no such views")
    conn.execute("alter view analytics.schools set (security_invoker = true)")
    assert findings(conn, manifest) == [("invoker", "analytics.schools is a security invoker view")]


@pytest.mark.parametrize("is_said", [True, False], ids=["said to be scoped", "with org_ids alone"])
def test_a_scoped_dataset_that_does_not_ask_who_is_calling(conn, manifest, is_said):
    """Whatever shows org_ids is one, also where the YAML forgets to say so."""
    if not is_said:
        manifest = copy.deepcopy(manifest)
        del manifest["nodes"]["model.timeback_analytics.students"]["config"]["meta"]["scope"]
    conn.execute(
        """create or replace view analytics.students with (security_barrier = true) as
        select id, name, email, '{}'::uuid[] as org_ids from analytics_internal.int_students"""
    )
    assert findings(conn, manifest) == [("scoped", "analytics.students does not ask who is calling")]


def test_a_column_that_is_not_documented(conn, manifest):
    old = conn.execute("select rtrim(pg_get_viewdef('analytics.schools'::regclass), ';')").fetchone()[0]
    conn.execute(f"create or replace view analytics.schools as select old.*, 1 as extra from ({old}) as old")
    assert findings(conn, manifest) == [("documented", "analytics.schools.extra is not a documented column")]


def test_a_column_that_identifies_another_person(conn, manifest):
    """The manifest says where a column comes from: here sessions would show who proctored them."""
    broken = copy.deepcopy(manifest)
    columns = broken["nodes"]["model.timeback_analytics.sessions"]["columns"]
    name = next(name for name in columns if name not in ("student_id", "org_ids"))
    columns[name]["config"]["meta"]["origin"] = ["insights_session.user_id"]
    assert findings(conn, broken) == [("persons", f"analytics.sessions.{name} identifies another person")]


@pytest.mark.parametrize("target", ["roar_guests.id", ["roar_tasks.id", "roar_users.id"]])
def test_a_column_that_joins_with_another_person(conn, manifest, target):
    """In ROAR every origin is a document, and joins tell: here a trial's pid would be anybody's."""
    broken = copy.deepcopy(manifest)
    trials = broken["nodes"]["model.timeback_analytics.roar_user_trials"]
    trials["config"]["meta"]["joins"]["pid"] = target
    assert findings(conn, broken) == [("persons", "analytics.roar_user_trials.pid identifies another person")]


def test_every_rule_is_broken_here(manifest):
    broken = {rule for rule, _, _ in BROKEN} | {"functions", "invoker", "scoped", "persons"}
    assert broken == {rule.name for rule in RULES}


def test_the_command_fails_on_a_finding(embedded_server, catalog, catalog_database, manifest, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    env = {
        "TIMEBACK_EMBEDDED_HOST": str(embedded_server.socket_dir),
        "TIMEBACK_EMBEDDED_DATABASE": catalog_database,
    }

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["audit", "--manifest", str(path), *arguments], env=env)
        return result.exit_code, result.output

    code, output = run()
    assert (code, "no finding" in output) == (0, True), output
    catalog.execute("alter view analytics.students set (security_barrier = false)")
    code, output = run()
    assert code == 1
    assert "barrier: analytics.students is scoped and no security barrier" in output
    code, output = run("--schema", "elsewhere")
    assert code == 1 and "finds no catalog in schemas elsewhere" in output
    path.unlink()
    code, output = run()
    assert code == 1 and "`dbt parse` makes it" in output
    assert run("--rules")[1].count("\n\n") == len(RULES)
