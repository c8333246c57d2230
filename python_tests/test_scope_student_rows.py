"""The dbt var scope_student_rows: unset, two datasets are open to every reader; true, they follow the scope.

Both forms show the same columns and, to a caller who may see everybody, the same rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from conftest import Dbt
from timeback_analytics.server import EmbeddedServer

DATASETS = ("class_enrollments", "course_enrollments")
NORTH, SOUTH, UNKNOWN = (f"00000000-0000-0000-0000-00000000000{digit}" for digit in "123")
CLASS, COURSE = "00000000-0000-0000-0000-0000000000c1", "00000000-0000-0000-0000-0000000000c2"
# a student of each school, one who has left the north, and one whom no school knows; all in one class
STUDENTS = {
    "ada": "00000000-0000-0000-0000-00000000000a",
    "bea": "00000000-0000-0000-0000-00000000000b",
    "cab": "00000000-0000-0000-0000-00000000000c",
    "dee": "00000000-0000-0000-0000-00000000000d",
}
ROLES = [("ada", NORTH, None), ("bea", SOUTH, None), ("cab", SOUTH, None), ("cab", NORTH, "2020-01-01")]
NAMES = {student_id: name for name, student_id in STUDENTS.items()}


def _fill(conn: psycopg.Connection) -> None:
    conn.execute(
        """insert into one_roster_class
        (id, title, course_id, school_id, status, date_created, date_last_modified)
        values (%s, 'Algebra I', %s, %s, 'active', now(), now())""",
        [CLASS, COURSE, NORTH],
    )
    for name, organization, end_date in ROLES:
        conn.execute(
            """insert into one_roster_role
            (id, user_id, org_id, role, role_type, end_date, status, date_created, date_last_modified)
            values (gen_random_uuid(), %s, %s, 'student', 'primary', %s, 'active', now(), now())""",
            [STUDENTS[name], organization, end_date],
        )
    for student_id in STUDENTS.values():
        conn.execute(
            """insert into one_roster_enrollment
            (id, user_id, class_id, role, status, date_created, date_last_modified)
            values (gen_random_uuid(), %s, %s, 'student', 'active', now(), now())""",
            [student_id, CLASS],
        )


@contextmanager
def _scope(conn: psycopg.Connection, setting: str | None) -> Iterator[None]:
    conn.execute("select set_config('app.allowed_org_ids', %s, false)", [setting or ""])
    try:
        yield
    finally:
        conn.execute("reset app.allowed_org_ids")


def _visible(conn: psycopg.Connection, dataset: str, setting: str | None) -> list[str]:
    with _scope(conn, setting):
        rows = conn.execute(f"select student_id::text from analytics.{dataset}").fetchall()
    return sorted(NAMES[student_id] for (student_id,) in rows)


def _columns(conn: psycopg.Connection, dataset: str) -> list[tuple[str, str]]:
    return conn.execute(
        """select attname::text, format_type(atttypid, atttypmod) from pg_catalog.pg_attribute
        where attrelid = %s::regclass and attnum > 0 order by attnum""",
        [f"analytics.{dataset}"],
    ).fetchall()


def _has_barrier(conn: psycopg.Connection, dataset: str) -> bool:
    (options,) = conn.execute(
        "select reloptions from pg_catalog.pg_class where oid = %s::regclass", [f"analytics.{dataset}"]
    ).fetchone()
    return "security_barrier=true" in (options or [])


@pytest.fixture(scope="module")
def scoped_template(catalog_template: str, new_database: Callable[..., str], dbt: Dbt) -> str:
    """A catalog in which the two datasets were deployed over their open form, with the var true."""
    name = new_database("catalog_scoped_student_rows", template=catalog_template)
    dbt(name, "run", "--select", *DATASETS, "--vars", "{scope_student_rows: true}")
    return name


@pytest.fixture
def scoped_catalog(
    embedded_server: EmbeddedServer, scoped_template: str, new_database: Callable[..., str]
) -> Iterator[psycopg.Connection]:
    """A connection to a copy of scoped_template, filled."""
    name = new_database("catalog_scoped_copy", template=scoped_template)
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute("set search_path = operational, analytics")
        _fill(conn)
        yield conn


@pytest.mark.parametrize("dataset", DATASETS)
def test_unset_shows_every_row_to_every_reader(catalog: psycopg.Connection, dataset: str) -> None:
    _fill(catalog)
    for setting in (None, NORTH, UNKNOWN, "*"):
        assert _visible(catalog, dataset, setting) == ["ada", "bea", "cab", "dee"], setting
    assert not _has_barrier(catalog, dataset)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize(
    ("setting", "visible"),
    [
        (None, []),
        ("", []),
        (UNKNOWN, []),
        (NORTH, ["ada"]),
        (SOUTH, ["bea", "cab"]),
        (f"{NORTH},{SOUTH}", ["ada", "bea", "cab"]),
        ("*", ["ada", "bea", "cab", "dee"]),
    ],
)
def test_true_shows_the_callers_students(
    scoped_catalog: psycopg.Connection, dataset: str, setting: str | None, visible: list[str]
) -> None:
    assert _visible(scoped_catalog, dataset, setting) == visible


@pytest.mark.parametrize("dataset", DATASETS)
def test_true_refuses_what_is_no_list(scoped_catalog: psycopg.Connection, dataset: str) -> None:
    with (
        _scope(scoped_catalog, "abc"),
        pytest.raises(psycopg.errors.InvalidParameterValue, match=r'app\.allowed_org_ids holds "abc"'),
    ):
        scoped_catalog.execute(f"select count(*) from analytics.{dataset}")


@pytest.mark.parametrize("dataset", DATASETS)
def test_true_keeps_a_predicate_from_hidden_rows(scoped_catalog: psycopg.Connection, dataset: str) -> None:
    """A cheap function of the caller's would otherwise be asked about rows that the scope removes."""
    scoped_catalog.execute(
        """create function pg_temp.tell(student_id uuid) returns boolean language plpgsql cost 0.0001
        as $$ begin raise notice '%', student_id; return true; end $$"""
    )
    told: list[str] = []
    scoped_catalog.add_notice_handler(lambda notice: told.append(NAMES[notice.message_primary]))
    with _scope(scoped_catalog, NORTH):
        scoped_catalog.execute(f"select * from analytics.{dataset} where pg_temp.tell(student_id)")
    assert set(told) == {"ada"}
    assert _has_barrier(scoped_catalog, dataset)


@pytest.mark.parametrize("dataset", DATASETS)
def test_both_forms_have_the_documented_columns(
    catalog: psycopg.Connection, scoped_catalog: psycopg.Connection, manifest: dict, dataset: str
) -> None:
    documented = [
        (column["name"], column["data_type"])
        for column in manifest["nodes"][f"model.timeback_analytics.{dataset}"]["columns"].values()
    ]
    assert _columns(catalog, dataset) == documented
    assert _columns(scoped_catalog, dataset) == documented
