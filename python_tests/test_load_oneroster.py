"""OneRoster bundles: what becomes of each record, and that a second load changes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from roster_bundles import Bundle, columns, csv_bytes, row_id, small_bundle, written, zipped
from timeback_analytics.load import Report, load
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

VERSIONS = ("1.1", "1.2")


@pytest.fixture(scope="module")
def load_database(embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> str:
    name = new_database("load_oneroster")
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        create_operational_schema(conn, "operational")
        conn.execute(
            """insert into operational.placement_grade (id, grade_primary_identifier, label, order_number)
            values
            ('00000000-0000-4000-8000-000000000001', '01', 'First grade', 1),
            ('00000000-0000-4000-8000-000000000002', '02', 'Second grade', 2)"""
        )
    return name


@pytest.fixture
def conn(embedded_server: EmbeddedServer, load_database: str) -> Iterator[psycopg.Connection]:
    """A connection in a transaction that the test's end rolls back."""
    with psycopg.connect(embedded_server.dsn(load_database)) as conn:
        conn.execute("set local search_path = operational")
        yield conn
        conn.rollback()


@pytest.fixture
def load_bundle(conn: psycopg.Connection, tmp_path: Path) -> Callable[..., Report]:
    """Write the bundle and load it."""
    folders = iter(range(100))

    def run(version: str, bundle: Bundle, **options: Any) -> Report:
        folder = written(tmp_path / str(next(folders)), version, bundle, **options)
        return load("oneroster", folder, connection=conn)

    return run


def counts(report: Report) -> dict[str, tuple[int, int, int, int, int]]:
    """Inserted, updated, unchanged, older, removed, by table."""
    by_table = {
        table.table: (table.inserted, table.updated, table.unchanged, table.older, table.removed)
        for table in report.tables
    }
    return {table: numbers for table, numbers in by_table.items() if any(numbers)}


def contents(conn: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every operational table, with its physical place: a rewritten row has another."""
    tables = conn.execute("select tablename from pg_tables where schemaname = 'operational'").fetchall()
    return {
        table: conn.execute(f"select ctid::text, t::text from operational.{table} t order by 1").fetchall()
        for (table,) in tables
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_every_record_becomes_a_row(
    conn: psycopg.Connection, load_bundle: Callable[..., Report], version: str
) -> None:
    report = load_bundle(version, small_bundle(version))
    assert counts(report) == {
        "one_roster_organization": (2, 0, 0, 0, 0),
        "one_roster_course": (1, 0, 0, 0, 0),
        "one_roster_user": (3, 0, 0, 0, 0),
        "one_roster_role": (3, 0, 0, 0, 0),
        "one_roster_user_agent": (2, 0, 0, 0, 0),
        "one_roster_class": (1, 0, 0, 0, 0),
        "one_roster_class_grade": (2, 0, 0, 0, 0),
        "one_roster_class_subject": (1, 0, 0, 0, 0),
        "cf_subject": (1, 0, 0, 0, 0),
        "one_roster_enrollment": (2, 0, 0, 0, 0),
    }
    assert conn.execute(
        """
        select u.given_name, r.role, r.role_type, r.status, o.name, p.name
        from one_roster_role r
        join one_roster_user u on u.id = r.user_id
        join one_roster_organization o on o.id = r.org_id
        join one_roster_organization p on p.id = o.parent_id
        order by 1
        """
    ).fetchall() == [
        ("Ada", "student", "primary", "active", "School", "District"),
        ("George", "parent", "primary", "active", "School", "District"),
        ("Grace", "teacher", "primary", "active", "School", "District"),
    ]
    assert conn.execute(
        """
        select s.given_name, a.given_name, x.relationship_type, x.status, x.begin_date, x.end_date
        from one_roster_user_agent x
        join one_roster_user s on s.id = x.source_user_id
        join one_roster_user a on a.id = x.agent_user_id
        order by 2
        """
    ).fetchall() == [
        ("Ada", "George", "parent", "active", None, None),
        ("Ada", "Grace", "teacher", "active", None, None),
    ]
    assert conn.execute(
        """
        select
            c.title, c.class_type, k.title, o.name,
            array_agg(g.grade_primary_identifier order by 1), min(s.title)
        from one_roster_class c
        join one_roster_course k on k.id = c.course_id
        join one_roster_organization o on o.id = c.school_id
        join one_roster_class_grade cg on cg.class_id = c.id
        join placement_grade g on g.id = cg.placement_grade_id
        join one_roster_class_subject cs on cs.class_id = c.id
        join cf_subject s on s.identifier = cs.subject_id
        group by 1, 2, 3, 4
        """
    ).fetchall() == [("Algebra 1", "scheduled", "Algebra", "School", ["01", "02"], "Mathematics")]
    assert conn.execute(
        'select u.given_name, e.role, e."primary", e.begin_date::text, e.status'
        " from one_roster_enrollment e join one_roster_user u on u.id = e.user_id order by 1"
    ).fetchall() == [
        ("Ada", "student", None, "2025-08-15", "active"),
        ("Grace", "teacher", True, None, "active"),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_second_load_changes_nothing(
    conn: psycopg.Connection, load_bundle: Callable[..., Report], version: str
) -> None:
    load_bundle(version, small_bundle(version))
    before = contents(conn)
    report = load_bundle(version, small_bundle(version))
    assert report.changes == 0
    assert {numbers[:2] + numbers[3:] for numbers in counts(report).values()} == {(0, 0, 0, 0)}
    assert contents(conn) == before


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("top", ["", "export 2025"])
def test_zip_is_as_good_as_the_folder(
    conn: psycopg.Connection, tmp_path: Path, version: str, top: str
) -> None:
    folder = written(tmp_path / "bundle", version, small_bundle(version))
    load("oneroster", folder, connection=conn)
    before = contents(conn)
    assert load("oneroster", zipped(folder, top), connection=conn).changes == 0
    assert contents(conn) == before


def test_dry_run_says_the_same_and_writes_nothing(conn: psycopg.Connection, tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"))
    before = contents(conn)
    dry = load("oneroster", folder, connection=conn, dry_run=True)
    assert contents(conn) == before
    assert dry.dry_run
    assert dry.tables == load("oneroster", folder, connection=conn).tables


def test_bytes_as_exports_have_them(conn: psycopg.Connection, tmp_path: Path) -> None:
    """Byte order mark, LF, other columns in other order, quoted commas, quotes and line ends, Unicode."""
    bundle = small_bundle("1.1")
    bundle["orgs"][1]["name"] = 'Ørsted "Nord", 学校\n2nd line 😀'
    folder = written(tmp_path / "bundle", "1.1", bundle)
    for record in bundle["orgs"]:
        record["metadata.region"] = "north"
    header = ["metadata.region", *reversed(columns("1.1", "orgs"))]
    plain = csv_bytes(header, bundle["orgs"]).replace(b"\r\n", b"\n")
    (folder / "orgs.csv").write_bytes(b"\xef\xbb\xbf" + plain)
    load("oneroster", folder, connection=conn)
    assert conn.execute(
        "select name from one_roster_organization where id = %s", [row_id("org", "s1")]
    ).fetchone() == ('Ørsted "Nord", 学校\n2nd line 😀',)


def test_uuids_are_kept_and_other_ids_always_give_the_same(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    uuid = "1A2B3C4D-1111-4222-8333-444455556666"
    bundle = small_bundle("1.2")
    bundle["users"][0]["sourcedId"] = uuid
    bundle["roles"][0]["userSourcedId"] = uuid.lower()
    bundle["enrollments"][0]["userSourcedId"] = uuid.swapcase()
    load_bundle("1.2", bundle)
    ids = conn.execute("select id::text from one_roster_user order by given_name").fetchall()
    assert ids == [
        (uuid.lower(),),
        ("778e2557-492e-5472-afb2-6f967c6eb51d",),
        ("7c373ae9-915f-58a1-bbc1-a578817c44e1",),
    ]
