"""The demo: something real in every table and dataset, every edge case, and nothing written by halves."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.rows import dict_row

from expectation.comparison import EVERYBODY, READER, Caller, Catalog
from expectation.datasets import facts
from expectation.scope import Scope
from timeback_analytics.cli import main
from timeback_analytics.demo import build, build_demo, edge_cases
from timeback_analytics.demo.edge_cases import add_edge_cases
from timeback_analytics.demo.ids import uid
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.source_files import demo_dir
from timeback_analytics.errors import TimebackError
from timeback_analytics.operational import create_operational_schema, table_names
from timeback_analytics.server import EmbeddedServer

_NOWHERE = str(uid("edge case", "nowhere"))


@pytest.fixture
def demo(embedded_server: EmbeddedServer, demo_database: str) -> Iterator[psycopg.Connection]:
    """A connection to demo_database, `operational` first in search_path; what is written is rolled back."""
    with psycopg.connect(embedded_server.dsn(demo_database)) as conn:
        conn.execute("set search_path = operational, analytics")
        yield conn
        conn.rollback()


@pytest.fixture
def demo_copy(embedded_server: EmbeddedServer, demo_database: str, new_database: Callable[..., str]) -> str:
    """The name of a copy of demo_database that a test may spoil."""
    return new_database("demo_copy", template=demo_database)


@pytest.fixture
def empty_database(new_database: Callable[..., str]) -> str:
    """The name of an empty database."""
    return new_database("demo_again")


def _environment(server: EmbeddedServer, database: str) -> dict[str, str]:
    return {"TIMEBACK_EMBEDDED_HOST": str(server.socket_dir), "TIMEBACK_EMBEDDED_DATABASE": database}


def _checksums(conn: psycopg.Connection) -> dict[str, str]:
    """What each operational table holds, whatever the order of its rows."""
    statement = sql.SQL(
        "select md5(string_agg(line, E'\\n' order by line collate \"C\"))"
        " from (select t::text as line from {} as t) as lines"
    )
    return {
        table: conn.execute(statement.format(sql.Identifier("operational", table))).fetchone()[0]
        for table in table_names()
    }


def _datasets(manifest: dict[str, Any]) -> list[str]:
    return sorted(
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == "datasets" and node["schema"] == "analytics"
    )


def test_every_operational_table_has_rows(demo: psycopg.Connection) -> None:
    assert len(table_names()) == 37
    empty = [
        table
        for table in table_names()
        if not demo.execute(
            sql.SQL("select exists (select from {})").format(sql.Identifier("operational", table))
        ).fetchone()[0]
    ]
    assert empty == []


def test_every_dataset_shows_something(demo: psycopg.Connection, manifest: dict[str, Any]) -> None:
    datasets = _datasets(manifest)
    assert "students" in datasets
    demo.execute("set app.allowed_org_ids = '*'")
    demo.execute("set app.allowed_roar_org_ids = '*'")
    empty = [
        dataset
        for dataset in datasets
        if not demo.execute(
            sql.SQL("select exists (select from {})").format(sql.Identifier("analytics", dataset))
        ).fetchone()[0]
    ]
    assert empty == []


@pytest.mark.parametrize("who", ["everybody", "one school", "a reader bound to two schools"])
def test_every_dataset_is_what_the_documentation_says_of_the_demo(demo: psycopg.Connection, who: str) -> None:
    """Real rosters, logs and gradebooks, computed a second time in Python; see expectation/."""
    tables = {}
    with demo.cursor(row_factory=dict_row) as cursor:
        for table in table_names():
            query = sql.SQL("select * from {}").format(sql.Identifier("operational", table))
            tables[table] = cursor.execute(query).fetchall()
    largest = demo.execute(
        "select org_id from analytics_internal.int_person_current_organization"
        " group by org_id order by count(*) desc, org_id limit 2"
    )
    schools = frozenset(organization for (organization,) in largest)
    one = min(schools)
    caller = {
        "everybody": Caller(who, EVERYBODY),
        "one school": Caller(who, Scope(str(one)), READER),
        "a reader bound to two schools": Caller(
            who, Scope("*", bindings=(schools,)), READER, {READER: schools}
        ),
    }[who]
    catalog = Catalog(demo, "operational", "analytics", UTC)
    (today,) = demo.execute("select (now() at time zone 'UTC')::date").fetchone()
    with catalog.asking_as(caller):
        found = [catalog.difference(dataset, tables, caller, today) for dataset in facts()]
        shown = {dataset for dataset in facts() if catalog.fetch(dataset)}
    assert [difference for difference in found if difference] == []
    assert len(found) == 41
    # or the comparison would be of nothing with nothing
    assert len(shown) >= 35


def test_every_school_of_the_rosters_shows_activity(demo: psycopg.Connection) -> None:
    schools = demo.execute(
        "select id from one_roster_organization where type = 'school' and identifier ~ '^10'"
    ).fetchall()
    assert len(schools) == 9
    for (school_id,) in schools:
        demo.execute("select set_config('app.allowed_org_ids', %s, true)", [str(school_id)])
        for dataset in ("students", "attempts", "sessions_waste", "students_mastery", "students_xp"):
            found = demo.execute(
                sql.SQL("select count(*) from {}").format(sql.Identifier(dataset))
            ).fetchone()
            assert found[0] > 0, (school_id, dataset)


def test_every_edge_case_arrives(demo: psycopg.Connection) -> None:
    create_operational_schema(demo, "expected")
    expected = OperationalRows(demo, "expected")
    assert add_edge_cases(expected) == len(edge_cases.edge_cases()) == expected.write()
    for table in table_names():
        missing = demo.execute(
            sql.SQL("select * from {} except all select * from {}").format(
                sql.Identifier("expected", table), sql.Identifier("operational", table)
            )
        ).fetchall()
        assert missing == [], table


def test_edge_cases_reach_every_table() -> None:
    assert {case.table for case in edge_cases.edge_cases()} == set(table_names())


def test_an_edge_case_says_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "silent.yml"
    path.write_text("cf_document:\n  - {identifier: id(a), title: A}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"silent\.yml.*cf_document"):
        edge_cases._of_file(path, {})


def test_an_edge_case_with_a_wrong_column_is_refused(
    demo: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = edge_cases.EdgeCase("some.yml", "cf_document", "a typing error", {"tittle": "A"})
    monkeypatch.setattr(edge_cases, "edge_cases", lambda: [wrong])
    with pytest.raises(ValueError, match=r"some\.yml.*a typing error.*tittle"):
        add_edge_cases(OperationalRows(demo, "operational"))


def test_current_roles_of_the_rosters_have_no_end(demo: psycopg.Connection) -> None:
    """Or the demo would be empty one day, whatever the scope."""
    statement = (
        "select count(*) from one_roster_role where end_date is not null and date_created > '2025-08-02'"
    )
    assert demo.execute(statement).fetchone() == (0,)


def test_sessions_of_the_log_end_after_an_hour_without_an_event(demo: psycopg.Connection) -> None:
    gaps = demo.execute(
        """
        select
            event.session_id = lag(event.session_id) over by_person as is_same,
            event.event_time - lag(event.event_time) over by_person as gap
        from caliper_event as event
        inner join caliper_session as session on session.id = event.session_id
        inner join lti_application as app on app.id = session.client_id and app.name = 'Course Room'
        window by_person as (partition by session.user_id order by event.event_time, event.session_id)
        """
    ).fetchall()
    assert len(gaps) > 20_000
    assert max(gap for is_same, gap in gaps if is_same) <= timedelta(hours=1)
    assert min(gap for is_same, gap in gaps if is_same is False) > timedelta(hours=1)


def test_quizzes_of_the_log_stay_contradictory(demo: psycopg.Connection) -> None:
    backwards, unstarted, unsubmitted, repeated = demo.execute(
        """
        select
            count(*) filter (where ended_at_time < started_at_time),
            count(*) filter (where started_at_time is null),
            count(*) filter (where ended_at_time is null),
            count(*) filter (where count > 1)
        from caliper_attempt
        inner join caliper_assessment as test on test.id = assignable_id
        where test.name = 'learning analytics'
        """
    ).fetchone()
    assert min(backwards, unstarted, unsubmitted, repeated) > 0


def test_scores_of_the_gradebook_stay_odd(demo: psycopg.Connection) -> None:
    missing, above = demo.execute(
        """
        select count(*) filter (where score_given is null), count(*) filter (where score_given > max_score)
        from caliper_score where id like 'urn:uuid:%'
        """
    ).fetchone()
    assert missing > 1000
    assert above > 10


def test_lessons_of_two_courses_stay_so(demo: psycopg.Connection) -> None:
    shared = demo.execute(
        """
        select count(*) from (
            select from caliper_resource_relation as relation
            inner join caliper_assignable_digital_resource as lesson
                on lesson.id = relation.source_id and lesson.media_type = 'curriculum/lesson'
            inner join caliper_assignable_digital_resource as course
                on course.id = relation.destination_id and course.media_type = 'curriculum/course'
            group by relation.source_id
            having count(distinct course.id) > 1
        ) as lessons
        """
    ).fetchone()
    assert shared == (57,)


def test_enrollments_end_before_they_start_where_the_registrations_do(demo: psycopg.Connection) -> None:
    early = demo.execute("select count(*) from one_roster_enrollment where end_date < begin_date").fetchone()
    assert early[0] > 100


def test_mastery_leads_to_items_of_a_loaded_framework(demo: psycopg.Connection) -> None:
    """demo/case/oatutor_courses.json and the code name items by the same rule."""
    lost = demo.execute(
        """
        select count(*) from clr_achievement as achievement
        where achievement.achievement_type in ('StandardMastery', 'CurriculumMastery')
        and achievement.cf_item_id is not null
        and not exists (select from cf_item as item where item.identifier = achievement.cf_item_id)
        """
    ).fetchone()
    by_hand = [case for case in edge_cases.edge_cases() if case.values.get("cf_item_id") == _NOWHERE]
    by_hand = [case for case in by_hand if case.table == "clr_achievement"]
    assert lost == (len(by_hand),)


def test_a_second_build_changes_nothing(embedded_server: EmbeddedServer, demo_database: str) -> None:
    written = "select max(xmin::text::bigint) from operational.caliper_event"
    with psycopg.connect(embedded_server.dsn(demo_database), autocommit=True) as conn:
        before = conn.execute(written).fetchone()
        again = build_demo(connection=conn)
        assert (again.is_new, again.other_rows) == (False, {})
        assert conn.execute(written).fetchone() == before


def test_a_rebuild_gives_the_same_rows(
    embedded_server: EmbeddedServer, demo: psycopg.Connection, empty_database: str
) -> None:
    """In another process, whose sets and hashes have another order, into an empty database."""
    result = subprocess.run(
        [sys.executable, "-m", "timeback_analytics.cli", "demo"],
        env={**os.environ, **_environment(embedded_server, empty_database), "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    with psycopg.connect(embedded_server.dsn(empty_database)) as conn:
        assert _checksums(conn) == _checksums(demo)


def test_rows_of_others_are_neither_deleted_nor_mixed(
    embedded_server: EmbeddedServer, demo_copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(embedded_server.dsn(demo_copy), autocommit=True) as conn:
        conn.execute("insert into operational.cf_document values (gen_random_uuid(), 'Mine')")
        assert build_demo(connection=conn).other_rows == {
            "cf_document": conn.execute("select count(*) from operational.cf_document").fetchone()[0]
        }
        # a newer demo
        monkeypatch.setattr(build, "input_digest", lambda: "another")
        with pytest.raises(TimebackError, match=r"cf_document.*--rebuild"):
            build_demo(connection=conn)
        kept = build_demo(connection=conn, keep_other_rows=True)
        assert not kept.is_new
        assert conn.execute(
            "select count(*) from operational.cf_document where title = 'Mine'"
        ).fetchone() == (1,)


def test_a_newer_demo_replaces_an_older_one(
    embedded_server: EmbeddedServer, demo_copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(build, "input_digest", lambda: "another")
    monkeypatch.setattr(build, "_write", lambda conn, schema, report: written.append(schema))
    with psycopg.connect(embedded_server.dsn(demo_copy), autocommit=True) as conn:
        assert build_demo(connection=conn).is_new
        assert set(build_demo(connection=conn).row_counts.values()) == {0}
    assert written == ["operational"]


def test_a_failing_build_leaves_everything_as_it_was(
    embedded_server: EmbeddedServer, demo_copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(conn: psycopg.Connection, schema: str) -> None:
        raise RuntimeError("no more")

    # after the loaders, which have transactions of their own
    monkeypatch.setattr(build.rosters, "date_enrollments", fail)
    with psycopg.connect(embedded_server.dsn(demo_copy), autocommit=True) as conn:
        before = _checksums(conn)
        with pytest.raises(RuntimeError, match="no more"):
            build_demo(connection=conn, rebuild=True)
        assert _checksums(conn) == before
        assert not build_demo(connection=conn).is_new


def test_a_reader_who_holds_the_tables_is_named_as_the_cause(
    embedded_server: EmbeddedServer, demo_copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_LOCK_TIMEOUT", "200ms")
    with (
        psycopg.connect(embedded_server.dsn(demo_copy)) as reader,
        psycopg.connect(embedded_server.dsn(demo_copy), autocommit=True) as conn,
    ):
        reader.execute("select from operational.cf_item")
        with pytest.raises(TimebackError, match=r"Another connection.*operational"):
            build_demo(connection=conn, rebuild=True)


def test_a_schema_of_others_is_refused(
    embedded_server: EmbeddedServer, new_database: Callable[..., str]
) -> None:
    with psycopg.connect(embedded_server.dsn(new_database("demo_foreign")), autocommit=True) as conn:
        conn.execute("create schema operational; create table operational.one_roster_user (id uuid)")
        with pytest.raises(TimebackError, match=r"operational.*not made by"):
            build_demo(connection=conn, rebuild=True)
        tables = conn.execute("select tablename from pg_tables where schemaname = 'operational'").fetchall()
        assert tables == [("one_roster_user",)]


def test_the_server_target_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "connect", lambda *arguments, **options: pytest.fail("it connects"))
    result = CliRunner().invoke(main, ["demo", "--target", "server"])
    assert result.exit_code == 1
    assert "--target embedded" in result.output


def test_the_command_prints_the_tables_and_what_to_do_next(
    embedded_server: EmbeddedServer, demo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _environment(embedded_server, demo_database).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 0, result.output
    printed = dict(re.findall(r"^(\w+) +([\d,]+)$", result.stdout, flags=re.MULTILINE))
    assert list(printed) == list(table_names())
    assert "--rebuild" in result.stdout


def test_contradictory_options_are_refused() -> None:
    result = CliRunner().invoke(main, ["demo", "--rebuild", "--keep-other-rows"])
    assert result.exit_code == 2


def test_a_checkout_without_the_files_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dbt_project.yml").touch()
    monkeypatch.setenv("TIMEBACK_PROJECT_DIR", str(tmp_path))
    with pytest.raises(TimebackError, match=r"README\.md"):
        demo_dir()
