"""What is internal stays internal: no published view gives it away, whatever the caller asks.

Everything that no reader may see carries MARK in each of its texts and ids that start with MARKED_ID:
recommendations for staff, insights of internal types, and insights of external types that are hidden,
unreviewed, rejected or malformed. Every published view, listed from the database, is then asked in ways
that bring out what a view reads and does not show: a filter that fails on marked rows alone, or a function
that reports each value before the view's own filters have run.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql

from timeback_analytics.server import EmbeddedServer

MARK = "FORBIDDEN"
MARKED_ID = "deadbeef"
SHOWN = "fit for every reader"

SCHOOL = "11111111-1111-4111-8111-111111111111"
OTHER_SCHOOL = "11111111-1111-4111-8111-222222222222"
STUDENT = "22222222-2222-4222-8222-111111111111"
OTHER_STUDENT = "22222222-2222-4222-8222-222222222222"

# {school} and so on are filled in by _insert_rows
ROWS = """
insert into one_roster_organization (id, name, type, status, date_created, date_last_modified) values
    ({school}, 'Lincoln Elementary', 'school', 'active', now(), now()),
    ({other_school}, 'Jefferson Middle', 'school', 'active', now(), now());

insert into one_roster_user (id, given_name, family_name, email, status, date_created, date_last_modified)
values
    ({student}, 'Ada', 'Lovelace', 'ada@school.example', 'active', now(), now()),
    ({other_student}, 'Grace', 'Hopper', 'grace@school.example', 'active', now(), now());

insert into one_roster_role
    (id, user_id, org_id, role, role_type, status, date_created, date_last_modified)
select gen_random_uuid(), user_id::uuid, org_id::uuid, 'student', 'primary', 'active', now(), now()
from (
    values ({student}, {school}), ({other_student}, {school}), ({other_student}, {other_school})
) as role (user_id, org_id);

insert into lti_application (id, name) values ('44444444-4444-4444-8444-111111111111', 'Math Academy');

insert into caliper_session
    (id, user_id, client_id, started_at_time, ended_at_time, date_created, date_last_modified)
select
    'urn:uuid:' || student_id, student_id, '44444444-4444-4444-8444-111111111111',
    '2026-06-17 09:00+00', '2026-06-17 10:00+00', now(), now()
from unnest(array[{student}, {other_student}]::uuid[]) as student (student_id);

insert into insights_session
    (id, caliper_session_id, user_id, application_id, webcam_enabled, is_proctored, date_last_modified)
select
    student_id, 'urn:uuid:' || student_id, student_id, '44444444-4444-4444-8444-111111111111',
    true, true, now()
from unnest(array[{student}, {other_student}]::uuid[]) as student (student_id);

-- an internal type of each category beside an external one
insert into insights_type (id, slug, category, visibility, is_waste)
select overlay(md5(category) placing {marked_id} from 1)::uuid, {mark} || category, category, 'internal', true
from unnest(array['Engagement', 'Proctoring', 'Cheating', 'Journal']) as category;
insert into insights_type (id, slug, category, visibility, is_waste) values
    ('33333333-3333-4333-8333-111111111111', 'Idling', 'Engagement', 'external', true),
    ('33333333-3333-4333-8333-222222222222', 'UnauthorizedAppUse', 'Proctoring', 'external', true),
    ('33333333-3333-4333-8333-333333333333', 'CheatingUnauthorizedAppUse', 'Cheating', 'external', true),
    ('33333333-3333-4333-8333-444444444444', 'Journal', 'Journal', {journal_visibility}, false);
insert into insights_config (insight_type_id, requires_review)
values ('33333333-3333-4333-8333-333333333333', true);

-- what may be seen: one insight of each external type, that of cheating with its review
insert into insights_insight
    (id, session_id, insight_type_id, started_at_time, ended_at_time, reason, is_visible, date_last_modified)
select
    md5(insights_session.id::text || slug)::uuid, insights_session.id, insights_type.id,
    '2026-06-17 09:10+00', '2026-06-17 09:10:20+00', {shown}, true, now()
from insights_session
cross join insights_type
where visibility = 'external';
insert into insights_review (id, insight_id, result, reviewed_at)
select gen_random_uuid(), id, 'TruePositive', now()
from insights_insight
where insight_type_id = '33333333-3333-4333-8333-333333333333';

-- what may not: an insight of each internal type, and some of external types that are not confirmed
insert into insights_insight
    (id, session_id, insight_type_id, started_at_time, ended_at_time, reason, is_visible, date_last_modified)
select
    overlay(md5(insights_session.id::text || slug || why) placing {marked_id} from 1)::uuid,
    insights_session.id, insights_type.id, '2026-06-17 09:30+00',
    '2026-06-17 09:30+00'::timestamptz + case why when 'ends early' then -1 else 1 end * interval '9 min',
    {mark} || why, why <> 'hidden', now()
from insights_session
cross join insights_type
cross join unnest(array['internal', 'hidden', 'ends early', 'no review', 'rejected']) as reason (why)
where
    case why
        when 'internal' then visibility = 'internal'
        when 'hidden' then slug = 'Idling'
        when 'ends early' then slug = 'UnauthorizedAppUse'
        else slug = 'CheatingUnauthorizedAppUse'
    end;
insert into insights_review (id, insight_id, result, reviewed_at)
select gen_random_uuid(), id, 'FalsePositive', now()
from insights_insight
where reason = {mark} || 'rejected';

insert into insights_recommendation (
    id, user_id, type, source, source_reference_id, title, visibility, content, generated_at, feedback_text
)
select
    overlay(md5(student_id::text) placing id_start from 1)::uuid, student_id, words, words, words, words,
    visibility, words, now(), words
from unnest(array[{student}, {other_student}]::uuid[]) as student (student_id)
cross join (
    values ('99999999', 'student', {shown}), ({marked_id}, 'internal', {mark})
) as kind (id_start, visibility, words);
"""


@dataclass(frozen=True)
class Caller:
    """Who asks: a database role and its app.allowed_org_ids."""

    name: str
    role: str
    scope: str


READER = "internal_insights_reader"
UNRESTRICTED = "internal_insights_unrestricted"
CALLERS = [
    Caller("superuser, everything", "postgres", "*"),
    Caller("unrestricted, everything", UNRESTRICTED, "*"),
    Caller("unrestricted, both schools", UNRESTRICTED, f"{SCHOOL},{OTHER_SCHOOL}"),
    Caller("reader, one school", READER, SCHOOL),
    Caller("reader, the other school", READER, OTHER_SCHOOL),
    Caller("reader, nothing", READER, ""),
]


def _on_marked(column: sql.Composable, then: str, otherwise: str) -> sql.Composed:
    return sql.SQL("case when {column}::text ~ {marked} then {then} else {otherwise} end").format(
        column=column,
        marked=sql.Literal(f"{MARK}|{MARKED_ID}"),
        then=sql.SQL(then).format(column=column),
        otherwise=sql.SQL(otherwise),
    )


# Filters that are true on every row that a reader may see: an error or a report is all they are for.
FILTERS: dict[str, Callable[[sql.Composable], sql.Composable]] = {
    "no filter": lambda _: sql.SQL("true"),
    "failing cast": lambda column: _on_marked(column, "({column}::text)::int = 0", "true"),
    "division by zero": lambda column: sql.SQL("1 / ({}) = 1").format(_on_marked(column, "0", "1")),
    "reporting function": lambda column: sql.SQL("pg_temp.report({}::text)").format(column),
}

# a planner runs the cheapest filter first, and this one claims to cost nothing
REPORT = """
create function pg_temp.report(value text) returns boolean
language plpgsql immutable cost 0.0000001
as 'begin raise notice ''%'', value; return true; end'
"""


@dataclass
class World:
    """A catalog over the rows above.

    Attributes:
        server: the server it is on.
        database: its name.
        journal_visibility: that of the type Journal, external or internal.
        views: each published view with its columns, as the database lists them.
    """

    server: EmbeddedServer
    database: str
    journal_visibility: str
    views: dict[str, list[str]] = field(default_factory=dict)

    def connect(self, caller: Caller) -> psycopg.Connection:
        """A connection of this caller's own login, in autocommit, with its scope set."""
        conn = psycopg.connect(self.server.dsn(self.database, caller.role), autocommit=True)
        conn.execute("select set_config('app.allowed_org_ids', %s, false)", [caller.scope])
        return conn


def _insert_rows(conn: psycopg.Connection, journal_visibility: str) -> None:
    literals = {
        "school": SCHOOL,
        "other_school": OTHER_SCHOOL,
        "student": STUDENT,
        "other_student": OTHER_STUDENT,
        "mark": MARK,
        "marked_id": MARKED_ID,
        "shown": SHOWN,
        "journal_visibility": journal_visibility,
    }
    conn.execute(
        sql.SQL(ROWS).format(**{name: sql.Literal(value) for name, value in literals.items()})  # type: ignore[arg-type]
    )


def _published_views(conn: psycopg.Connection) -> dict[str, list[str]]:
    """Whatever can be selected from in the published schema, with its columns."""
    return dict(
        conn.execute(
            """select pg_class.relname, array_agg(pg_attribute.attname::text order by pg_attribute.attnum)
            from pg_class
            inner join pg_attribute on pg_class.oid = pg_attribute.attrelid
            where
                pg_class.relnamespace = 'analytics'::regnamespace
                and pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
                and pg_attribute.attnum > 0
                and not pg_attribute.attisdropped
            group by pg_class.relname"""
        ).fetchall()
    )


@pytest.fixture(
    scope="module", params=["external", "internal"], ids=lambda visibility: f"{visibility} journals"
)
def world(
    request: pytest.FixtureRequest,
    embedded_server: EmbeddedServer,
    catalog_template: str,
    new_database: Callable[..., str],
) -> Iterator[World]:
    """The rows above under the whole catalog, with journals of an external and then of an internal type."""
    database = new_database(f"internal_insights_{request.param}", template=catalog_template)
    found = World(embedded_server, database, request.param)
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        conn.execute("set search_path = operational")
        _insert_rows(conn, request.param)
        found.views = _published_views(conn)
        for role, membership in [
            (READER, "timeback_reader"),
            (UNRESTRICTED, "timeback_reader, timeback_unrestricted"),
        ]:
            conn.execute(f"create role {role} login in role {membership}")
    yield found
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(f"drop role {READER}, {UNRESTRICTED}")


def _disclosures(conn: psycopg.Connection, view: str, columns: list[str], filter_name: str) -> list[str]:
    """What a filter over every column of a view brings out that it should not.

    Args:
        conn: the caller's connection, in autocommit, with pg_temp.report.
        view: the view, with its schema.
        columns: its columns.
        filter_name: a key of FILTERS.

    Returns:
        Each row and each notice that holds a mark, and the error if there was one.
    """
    said: list[str] = []

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        said.append(notice.message_primary or "")

    conn.add_notice_handler(hear)
    alias = sql.Identifier("asked")
    condition = sql.SQL(" and ").join(
        FILTERS[filter_name](sql.SQL("{}.{}").format(alias, sql.Identifier(column))) for column in columns
    )
    query = sql.SQL("select {alias}::text from {view} as {alias} where {condition}").format(
        alias=alias, view=sql.Identifier(*view.split(".")), condition=condition
    )
    try:
        said += [row for (row,) in conn.execute(query).fetchall()]
    except psycopg.Error as error:
        return [f"{view}: {error}"]
    finally:
        conn.remove_notice_handler(hear)
    return [f"{view}: {text}" for text in said if re.search(f"{MARK}|{MARKED_ID}", text)]


@pytest.mark.parametrize("filter_name", FILTERS)
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_no_view_discloses_what_is_internal(world: World, caller: Caller, filter_name: str) -> None:
    with world.connect(caller) as conn:
        conn.execute(REPORT)
        disclosed = [
            found
            for view, columns in world.views.items()
            for found in _disclosures(conn, f"analytics.{view}", columns, filter_name)
        ]
    assert disclosed == []


@pytest.mark.parametrize("filter_name", FILTERS)
def test_the_questions_bring_out_what_a_careless_view_hides(world: World, filter_name: str) -> None:
    """Were the published views written like this one, the test above would fail."""
    with world.connect(CALLERS[0]) as conn, conn.transaction(force_rollback=True):
        conn.execute(REPORT)
        conn.execute(
            """create view public.careless as
            select insights_insight.id, insights_insight.reason as description
            from operational.insights_insight
            inner join operational.insights_type on insights_insight.insight_type_id = insights_type.id"""
            + ("" if filter_name == "no filter" else " where insights_type.visibility = 'external'")
        )
        assert _disclosures(conn, "public.careless", ["id", "description"], filter_name)


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_nothing_internal_counts_anywhere(world: World, caller: Caller) -> None:
    """Every published row is the same when the internal rows have never been there."""

    def published(conn: psycopg.Connection) -> dict[str, list[str]]:
        return {
            view: sorted(
                row
                for (row,) in conn.execute(
                    sql.SQL("select asked::text from {} as asked").format(sql.Identifier("analytics", view))
                )
            )
            for view in world.views
        }

    # in one transaction that is rolled back, as one that may delete and then takes the caller's role
    with world.connect(CALLERS[0]) as conn, conn.transaction(force_rollback=True):
        conn.execute("select set_config('app.allowed_org_ids', %s, true)", [caller.scope])
        conn.execute(sql.SQL("set local role {}").format(sql.Identifier(caller.role)))
        before = published(conn)
        conn.execute("reset role")
        for table, condition in [
            ("insights_recommendation", "visibility = 'internal'"),
            ("insights_insight", f"reason like '{MARK}%'"),
            ("insights_type", "visibility = 'internal'"),
        ]:
            assert conn.execute(f"delete from operational.{table} where {condition}").rowcount > 0
        conn.execute(sql.SQL("set local role {}").format(sql.Identifier(caller.role)))
        assert published(conn) == before


def test_what_may_be_seen_is_seen(world: World) -> None:
    """The tests above are about views that show something."""
    expected = {
        "recommendations": 2,
        "waste_insights": 6,
        "cheating_insights": 2,
        "proctoring_insights": 2,
        "student_journals": 2 if world.journal_visibility == "external" else 0,
        "sessions_waste": 2,
        "sessions_cheating": 2,
        "sessions_proctoring": 2,
    }
    with world.connect(CALLERS[3]) as conn:
        shown = {
            view: conn.execute(f"select count(*) from analytics.{view}").fetchone()[0] for view in expected
        }
        assert shown == expected
        assert conn.execute("select distinct content from analytics.recommendations").fetchall() == [(SHOWN,)]
        waste = conn.execute("select distinct waste_duration_sec from analytics.sessions_waste").fetchall()
        assert waste == [(60,)]
        usage = conn.execute("select school_name, total_waste_time_sec from analytics.school_usage_stats")
        assert sorted(usage.fetchall()) == [("Jefferson Middle", 60), ("Lincoln Elementary", 120)]


@pytest.mark.parametrize(
    "table", ["operational.insights_recommendation", "analytics_internal.stg_insights_recommendation"]
)
def test_readers_reach_the_views_alone(world: World, table: str) -> None:
    with world.connect(CALLERS[1]) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(f"select * from {table}")
