"""The metrics: MetricFlow against hand-written SQL on the demo, by whoever asks; scopes that are missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from demo_reader import become_reader
from timeback_analytics.audit import find_breaches
from timeback_analytics.binding import Catalog
from timeback_analytics.binding.changes import bind
from timeback_analytics.cli import main
from timeback_analytics.errors import TimebackError
from timeback_analytics.metrics import Metric, read_metrics
from timeback_analytics.metrics.query import Metrics, Question
from timeback_analytics.server import EmbeddedServer

LOGIN = "metrics_bound"
EXPECTED = {
    *("active_students", "attempts_made", "questions_answered", "questions_correct", "share_correct"),
    *("median_attempt_seconds", "mean_attempt_seconds", "sessions_held", "learning_minutes"),
    *("minutes_per_active_student", "xp", "xp_per_active_student", "xp_per_minute", "mastered_items"),
    *("mean_mastery", "placed_students", "enrolled_students", "days_since_start", "waste_seconds"),
    *("waste_share", "sessions_with_cheating", "proctored_share", "breaches_per_proctored_session"),
    *("recommendations_delivered", "share_positive_feedback", "journals_written"),
    *("roar_runs", "roar_share_correct", "roar_median_response_time"),
    # what breaches per proctored session is made of
    "proctoring_breaches",
    # what the dashboards show of mastery
    "students_with_mastery",
}
UNSCOPED = {"enrolled_students"}


@pytest.fixture(scope="module")
def metrics(semantic_manifest: dict[str, Any], manifest: dict[str, Any]) -> Metrics:
    return Metrics(semantic_manifest, manifest)


@pytest.fixture(scope="module")
def definitions(manifest: dict[str, Any]) -> dict[str, Metric]:
    return {metric.name: metric for metric in read_metrics(manifest)}


@pytest.fixture(scope="module")
def database(
    embedded_server: EmbeddedServer, demo_database: str, new_database: Callable[..., str]
) -> Iterator[str]:
    """The demo, with a login that is bound to one school and one district."""
    name = new_database("metrics", template=demo_database)
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        (school,) = conn.execute(
            "select id from analytics.schools order by student_count desc, id limit 1"
        ).fetchone()
        (district,) = conn.execute("select min(id) from analytics.roar_districts").fetchone()
        bind(Catalog(conn), LOGIN, [school], roar_org_ids=[district], create=True)
    yield name
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(LOGIN)))


@pytest.fixture(params=["nobody", "bound", "several", "everybody"])
def asking(request: pytest.FixtureRequest, embedded_server: EmbeddedServer, database: str) -> Iterator[Any]:
    """(who, a session of theirs)"""
    who = request.param
    with psycopg.connect(
        embedded_server.dsn(database, LOGIN if who == "bound" else "postgres"), autocommit=True
    ) as conn:
        if who == "several":
            become_reader(conn)
        elif who == "everybody":
            conn.execute("set app.allowed_org_ids = '*'")
            conn.execute("set app.allowed_roar_org_ids = '*'")
        elif who == "nobody":
            conn.execute("set role timeback_reader")
        yield who, conn


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows that can be compared: no order, days for midnights, numbers as far as both sides know them."""

    def one(value: Any) -> Any:
        if isinstance(value, datetime):
            assert value.time() == datetime.min.time(), value
            return value.date()
        if isinstance(value, Decimal | int | float):
            return float(f"{float(value):.9g}")
        assert value is None or isinstance(value, str | date)
        return value

    return sorted((tuple(map(one, row)) for row in rows), key=repr)


def test_the_metrics_are_these(definitions: dict[str, Metric]) -> None:
    assert definitions.keys() == EXPECTED


def test_each_metric_is_what_its_hand_written_query_says(
    asking: tuple[str, psycopg.Connection], metrics: Metrics, definitions: dict[str, Metric]
) -> None:
    who, conn = asking
    values = {}
    for name, metric in definitions.items():
        found = plain(conn.execute(metrics.sql(Question([name]))).fetchall())
        assert found == plain(conn.execute(metric.sql).fetchall()), (who, name)
        ((values[name],),) = found
        if who == "bound":
            by = metrics.sql(Question([name], [metric.breakdown.group_by]))
            # a school's id is there beside its name
            found = plain([row[-2:] for row in conn.execute(by)])
            assert found == plain(conn.execute(metric.breakdown.sql).fetchall()), (who, name)
            assert len(found) > 0, name
    if who == "nobody":
        assert {name for name, value in values.items() if value} == UNSCOPED
    if who in ("several", "everybody"):
        assert all(values.values()), values
    # a share is one
    shares = [name for name in definitions if definitions[name].unit == "share from 0 to 1"]
    assert all(0 <= values[name] <= 1 for name in shares if values[name] is not None)


def test_nobody_is_told_from_nothing(
    asking: tuple[str, psycopg.Connection], metrics: Metrics, definitions: dict[str, Metric]
) -> None:
    who, conn = asking
    if who != "nobody":
        assert metrics.answer(conn, Question(["xp_per_minute"])).rows[0][0] is not None
        return
    for name in definitions.keys() - UNSCOPED:
        setting = "app.allowed_roar_org_ids" if name.startswith("roar") else "app.allowed_org_ids"
        for empty in ("", " {} "):
            conn.execute("select set_config(%s, %s, false)", [setting, empty])
            with pytest.raises(TimebackError, match=rf"no organization \({setting} is not set\)"):
                metrics.answer(conn, Question([name]))
    # by school, even what everybody may see reads a scoped dataset
    metrics.answer(conn, Question(["enrolled_students"]))
    with pytest.raises(TimebackError, match="names no organization"):
        metrics.answer(conn, Question(["enrolled_students"], ["school"]))
    conn.execute("set app.allowed_org_ids = '00000000-0000-4000-8000-000000000000'")
    answer = metrics.answer(conn, Question(["sessions_held", "xp"]))
    assert answer.rows == [(0, 0)] and answer.is_of_nobody


def test_by_school_goes_through_student_schools(
    asking: tuple[str, psycopg.Connection], metrics: Metrics
) -> None:
    """Of a metric over two datasets, one of which knows no student; and two schools count a student twice."""
    who, conn = asking
    if who in ("nobody", "several"):
        return
    expected = conn.execute(
        """
        with belonging as (
            select distinct student_id, school_id, school_name
            from analytics.student_schools
            where coalesce(begin_date, '-infinity') <= (now() at time zone 'UTC')::date
              and coalesce(end_date, 'infinity') > (now() at time zone 'UTC')::date
        ),
        learning as (
            select school_id, school_name, sum(sessions.duration_sec) as seconds
            from analytics.sessions left join belonging using (student_id) group by 1, 2
        ),
        waste as (
            select school_id, sum(waste_insights.waste_duration_sec) as seconds
            from analytics.waste_insights
            left join analytics.sessions on waste_insights.session_id = sessions.id
            left join belonging using (student_id) group by 1
        )
        select school_name, coalesce(waste.seconds, 0) / learning.seconds
        from learning left join waste using (school_id)
        """
    ).fetchall()
    answer = metrics.answer(conn, Question(["waste_share"], ["school"]))
    found = [row[1:] for row in answer.rows if row[0]]
    assert plain(found) == plain([row for row in expected if row[0]])
    twice = conn.execute(
        "select count(distinct sessions.student_id), count(distinct (sessions.student_id, school_id))"
        " from analytics.sessions inner join analytics_metrics.student_current_schools using (student_id)"
    ).fetchone()
    by_school = metrics.answer(conn, Question(["active_students"], ["school"])).rows
    assert sum(number for school, _, number in by_school if school) == twice[1]
    assert who == "bound" or twice[1] > twice[0]


def test_the_ways_to_schools_have_a_row_for_each_pair(
    asking: tuple[str, psycopg.Connection],
) -> None:
    who, conn = asking
    for view, key in (("student_current_schools", "student_id"), ("session_current_schools", "session_id")):
        query = sql.SQL("select count(*), count(distinct ({0}, school_id)) from analytics_metrics.{1}")
        rows, pairs = conn.execute(query.format(sql.Identifier(key), sql.Identifier(view))).fetchone()
        assert rows == pairs and bool(rows) == (who != "nobody"), view


def test_the_time_spine_is_read_by_whoever_reads(asking: tuple[str, psycopg.Connection]) -> None:
    _, conn = asking
    spine = conn.execute(
        "select count(*), min(date_day), max(date_day) from analytics_metrics.time_spine"
    ).fetchone()
    assert spine == (36525, date(2000, 1, 1), date(2099, 12, 31))


def test_a_scope_on_demand_is_asked_for_where_it_is_on(
    embedded_server: EmbeddedServer, database: str, metrics: Metrics
) -> None:
    query = "select count(*) from analytics.class_enrollments"
    with psycopg.connect(embedded_server.dsn(database)) as conn:
        assert metrics.scopes(conn, query) == []
        conn.execute("alter view analytics.class_enrollments set (security_barrier = true)")
        assert metrics.scopes(conn, query) == ["app.allowed_org_ids"]
        conn.rollback()


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("select 1", None),
        ("grant select on analytics_metrics.time_spine to public", "grants"),
        ("create view analytics_metrics.stray as select 1 as one", "documented"),
        ("alter view analytics_metrics.student_current_schools owner to timeback_reader", "owner"),
    ],
)
def test_the_audit_knows_what_metrics_need(
    embedded_server: EmbeddedServer, database: str, manifest: dict[str, Any], statement: str, rule: str | None
) -> None:
    with psycopg.connect(embedded_server.dsn(database)) as conn:
        conn.execute(statement)
        found = {finding.rule for finding in find_breaches(conn, manifest)}
        assert found == ({rule} if rule else set())
        conn.rollback()


# -- the command line -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, parsed: dict[str, Any]) -> Path:
    """What dbt has left, in a folder."""
    path = tmp_path_factory.mktemp("artifacts")
    for name, content in parsed.items():
        (path / name).write_text(json.dumps(content))
    return path


@pytest.fixture
def ask(
    embedded_server: EmbeddedServer, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """timeback metrics query, as the superuser, or on target server as the login of PGUSER."""
    monkeypatch.delenv("PGOPTIONS", raising=False)

    def run(*arguments: str, user: str = "postgres") -> Result:
        env = {
            "TIMEBACK_EMBEDDED_HOST": str(embedded_server.socket_dir),
            "TIMEBACK_EMBEDDED_DATABASE": database,
            "PGHOST": str(embedded_server.socket_dir),
            "PGDATABASE": database,
            "PGUSER": user,
        }
        line = ["metrics", "query", *arguments, "--manifest", str(folder / "manifest.json")]
        return CliRunner().invoke(
            main, [*line, "--target", "embedded" if user == "postgres" else "server"], env=env
        )

    return run


def test_a_table_a_file_and_the_notes(ask: Callable[..., Result], tmp_path: Path) -> None:
    done = ask(
        "share_correct", "xp", "--by", "school", "--by", "month", "--scope", "*", "--from", "2026-02-01"
    )
    assert done.exit_code == 0, done.output
    assert "student__school_name" in done.stdout and "Butterscotch Ada High School" in done.stdout
    assert (
        "share_correct: the rows do not add up" in done.stderr and "two schools counts in both" in done.stderr
    )
    assert "2026-01-01" not in done.stdout
    path = tmp_path / "xp.csv"
    done = ask("xp", "--by", "week", "--csv", str(path), user=LOGIN)
    assert done.exit_code == 0 and done.stderr == ""
    lines = path.read_text().splitlines()
    assert lines[0] == "metric_time__week,xp" and lines[1:] == sorted(lines[1:]) and len(lines) > 10
    assert all(date.fromisoformat(line.split(",")[0]).weekday() == 0 for line in lines[1:])
    done = ask("xp", "--by", "week", "--sql")
    assert 'FROM "analytics"."students_xp"' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "user", "says"),
    [
        (["xp"], "postgres", "The session names no organization (app.allowed_org_ids is not set)"),
        (["roar_runs", "--scope", "*"], "postgres", "--roar-scope ID"),
        (["xpp", "--scope", "*"], "postgres", "There is no metric xpp. The metrics: active_students"),
        (["xp", "--by", "scho", "--scope", "*"], "postgres", "There is no scho here; MetricFlow suggests"),
        (
            ["xp", "roar_runs", "--by", "school", "--scope", "*"],
            "postgres",
            "cannot be grouped by school together",
        ),
        (["xp", "--scope", "Lincoln"], "postgres", 'app.allowed_org_ids holds "Lincoln"'),
        (["xp", "--scope", "*", "--where", "nix ="], "postgres", "A condition in --where is not SQL"),
        (["xp", "--scope", "*", "--where", "nix = 1"], "postgres", 'column "nix" does not exist'),
        (["xp", "--scope", "*", "--where", "{{ x"], "postgres", "Error parsing where filter"),
        (["xp", "--scope", ""], LOGIN, "The session names no organization"),
    ],
)
def test_what_is_refused(ask: Callable[..., Result], arguments: list[str], user: str, says: str) -> None:
    done = ask(*arguments, user=user)
    assert done.exit_code == 1 and says in done.output and "Traceback" not in done.output, done.output


def test_a_scope_of_nobody_says_so(ask: Callable[..., Result]) -> None:
    done = ask("active_students", "--scope", "00000000-0000-4000-8000-000000000000")
    assert done.exit_code == 0 and "There is nobody in this scope" in done.stderr
    done = ask("active_students", "--by", "day", "--from", "1999-01-01", "--to", "1999-12-31", "--scope", "*")
    assert done.exit_code == 0 and "There is nothing to count" in done.stderr


def test_metrics_without_what_their_pages_need_are_named(manifest: dict[str, Any]) -> None:
    spoiled = json.loads(json.dumps({key: manifest[key] for key in ("metrics", "semantic_models", "nodes")}))
    del spoiled["metrics"]["metric.timeback_analytics.xp"]["config"]["meta"]["unit"]
    spoiled["metrics"]["metric.timeback_analytics.waste_share"]["config"]["meta"]["traps"] = [{"a": "b"}]
    with pytest.raises(TimebackError) as raised:
        read_metrics(spoiled)
    assert set(str(raised.value).splitlines()[1:]) == {
        "  xp: no config.meta.unit",
        "  waste_share: config.meta.traps is not a list of texts; a colon in one wants quotes",
    }
