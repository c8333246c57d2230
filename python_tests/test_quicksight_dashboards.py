"""The dashboards' visuals as SQL on the demo, as a login that is bound to one school, with their numbers."""

import datetime as dt
import json
import re
from uuid import UUID

import psycopg
import pytest

from timeback_analytics import binding
from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.dashboards import read_dashboards
from timeback_analytics.quicksight.metrics import read_metrics
from timeback_analytics.quicksight.relations import read_relations

SCHOOL = UUID("421b7ed0-cff3-4890-9c4e-605d8c465e42")  # Butterscotch Ada High School
ROLE = "quicksight_visuals"
# a Monday: last week is 2 to 8 March, and the last eight weeks begin on 19 January
TODAY = dt.date(2026, 3, 9)
SCHEMA = "analytics"
# visual -> how many rows it draws, and what their values add up to
NUMBERS = {
    "sessions_last_week": (1, 13),
    "minutes_last_week": (1, 50.2167),
    "xp_last_week": (1, 37.58),
    "accuracy_last_week": (1, 0.4412),
    "minutes_by_day": (6, 50.2167),
    "xp_by_day": (7, 37.58),
    "students_by_week": (8, 144),
    "minutes_by_week": (8, 1096),
    "accuracy_by_week": (8, 3.6952),
    "minutes_wasted": (1, 109.8833),
    "cheating_incidents": (1, 6),
    "proctoring_incidents": (1, 26),
    "share_proctored": (1, 0.3284),
    "waste_by_day_and_type": (56, 61),
    "cheating_by_day_and_type": (6, 6),
    "proctoring_by_day_and_type": (24, 26),
    "waste_by_type": (14, 61),
    "students_placed": (1, 117),
    "students_with_mastery": (1, 63),
    "placement_by_grade_and_subject": (21, 272),
    "students_by_subject": (3, 187),
    "mastery_by_subject": (2, 86),
    "mastery_by_item_type": (2, 100),
    "mastery_by_course": (2, 100),
}
# Some of them counted again, from the operational tables and by another way.
OF_THE_SCHOOL = f"""(
    select user_id from operational.one_roster_role
    where org_id = '{SCHOOL}' and status = 'active' and (end_date is null or end_date > current_date)
)"""
AGAIN = {
    "sessions_last_week": f"""
        select count(distinct id) from operational.caliper_session
        where user_id in {OF_THE_SCHOOL}
        and started_at_time >= '2026-03-02 00:00+00' and started_at_time < '2026-03-09 00:00+00'""",
    "xp_last_week": f"""
        select sum(total_value) from analytics.students_xp
        where student_id in {OF_THE_SCHOOL} and date between '2026-03-02' and '2026-03-08'""",
    "students_placed": f"""
        select count(distinct student_id) from operational.placement_student_subject_placement
        where status = 'Completed' and student_id in {OF_THE_SCHOOL}""",
}


@pytest.fixture(scope="session")
def metrics(manifest, semantic_manifest):
    return read_metrics(semantic_manifest, read_relations(manifest))[0]


@pytest.fixture(scope="session")
def dashboards(manifest, metrics):
    return read_dashboards(read_relations(manifest), metrics)[1]


@pytest.fixture(scope="session")
def bound(embedded_server, demo_database, new_database):
    """A connection of the bound login."""
    database = new_database("quicksight_visuals", template=demo_database)
    with psycopg.connect(embedded_server.dsn(database)) as admin:
        binding.bind(binding.Catalog(admin), ROLE, [SCHOOL], create=True)
        admin.commit()
        with psycopg.connect(embedded_server.dsn(database, ROLE), autocommit=True) as conn:
            yield conn
        admin.execute(f"drop owned by {ROLE}")
        admin.execute(f"drop role {ROLE}")
        admin.commit()


def test_each_visual_shows_the_schools_numbers(dashboards, bound):
    shown = {}
    for dashboard in dashboards:
        for visual in dashboard.visuals:
            rows = bound.execute(visual.sql(SCHEMA, TODAY)).fetchall()
            shown[visual.name] = (len(rows), round(float(sum(row[-1] or 0 for row in rows)), 4))
    assert shown == NUMBERS


@pytest.mark.parametrize("name", AGAIN)
def test_some_are_counted_again(bound, embedded_server, name):
    with psycopg.connect(embedded_server.dsn(bound.info.dbname)) as admin:
        admin.execute("set app.allowed_org_ids = '*'")
        (value,) = admin.execute(AGAIN[name]).fetchone()
    assert float(value) == NUMBERS[name][1]


def test_categories_are_days_mondays_and_grades_in_their_order(dashboards, bound):
    visuals = {visual.name: visual for dashboard in dashboards for visual in dashboard.visuals}
    weeks = [row[0] for row in bound.execute(visuals["minutes_by_week"].sql(SCHEMA, TODAY))]
    assert weeks == [dt.date(2026, 1, 19) + dt.timedelta(weeks=place) for place in range(8)]
    days = [row[0] for row in bound.execute(visuals["minutes_by_day"].sql(SCHEMA, TODAY))]
    assert all(dt.date(2026, 3, 2) <= day <= dt.date(2026, 3, 8) for day in days)
    grades = [row[0] for row in bound.execute(visuals["placement_by_grade_and_subject"].sql(SCHEMA))]
    order = list(dict.fromkeys(grades))
    # a placement that is not completed has no grade, and comes last
    assert order.pop() is None
    ranks = dict(bound.execute("select label, order_number from analytics.grades").fetchall())
    assert [ranks[one] for one in order] == sorted(ranks[one] for one in order)


YAML = {
    "a dataset that is not there": (
        "data_sets: [{name: x, title: x, of: marks, add: []}]\ndashboards: []",
        "x: there is no dataset marks",
    ),
    "a join by a column that is not there": (
        "data_sets: [{name: x, title: x, of: sessions, add: [{by: mark_id, to: students.id, columns: {}}]}]\n"
        "dashboards: []",
        "there is no column mark_id",
    ),
    "a join that is not a key": (
        "data_sets: [{name: x, title: x, of: students,"
        " add: [{by: id, to: sessions.student_id, columns: {}}]}]\n"
        "dashboards: []",
        "it is not a key",
    ),
    "a join of a list": (
        "data_sets: [{name: x, title: x, of: classes, add: [{by: grade_ids, to: grades.id, columns: {}}]}]\n"
        "dashboards: []",
        "two types, or a list",
    ),
    "a column twice": (
        "data_sets: [{name: x, title: x, of: sessions,"
        " add: [{by: student_id, to: students.id, columns: {name: id}}]}]\n"
        "dashboards: []",
        "there is a column id already",
    ),
}
VISUAL = {"name": "v", "title": "v", "kind": "kpi", "of": "sessions", "value": "count(id)"}
VISUALS = {
    "value": ("sum(marks)", "there is no column marks"),
    "of": ("marks", "there is no data set marks"),
    "by": ("mark", "sessions has no column mark"),
    "kind": ("pie", "the kind pie is not one of"),
    "period": ("last_year", "the period last_year is not one of"),
    "metric": ("marks", "there is no metric marks"),
    # a metric of another dataset than the visual's
    "metric ": ("xp", "the metric xp is of students_xp, and sessions is not"),
}


@pytest.mark.parametrize("name", YAML)
def test_data_sets_that_lead_nowhere_are_named(manifest, name):
    text, told = YAML[name]
    with pytest.raises(TimebackError, match=told):
        read_dashboards(read_relations(manifest), {}, text)


@pytest.mark.parametrize("member", VISUALS)
def test_visuals_that_lead_nowhere_are_named(manifest, metrics, member):
    value, told = VISUALS[member]
    board = {"name": "d", "title": "d", "description": "d", "visuals": [VISUAL | {member.strip(): value}]}
    with pytest.raises(TimebackError, match=told):
        read_dashboards(
            read_relations(manifest), metrics, json.dumps({"data_sets": [], "dashboards": [board]})
        )


def test_what_is_a_metric_is_not_defined_again(dashboards, metrics):
    """A visual's own value is none of the metrics' aggregates, however many seconds make its minutes."""

    def plain(sql):
        return re.sub(r"[\s()]|::\w+|/60(\.0)?", "", sql)

    defined = {(metric.relation, plain(metric.sql)) for metric in metrics.values()}
    named = 0
    for dashboard in dashboards:
        for visual in dashboard.visuals:
            named += bool(visual.metric)
            if not visual.metric:
                assert (visual.data_set.base.name, plain(visual.value)) not in defined, visual.name
    assert named >= 14
