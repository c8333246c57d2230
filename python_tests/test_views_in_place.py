"""A run replaces each view in place: readers keep it, and nothing that stands on it goes."""

import shutil
from pathlib import Path

import psycopg
import pytest

from conftest import Dbt
from project_copy import copy_project, replace
from timeback_analytics.server import EmbeddedServer

SQL = "models/datasets/apps/learning_apps.sql"
SUBJECTS_SQL = "models/datasets/apps/learning_app_subjects.sql"
YAML = "models/datasets/apps/learning_apps.yml"
ID, NAME = "    learning_app_id as id,\n", "    name\n"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, in one place, so that dbt parses it whole but once."""
    return copy_project(tmp_path_factory.mktemp("views") / "project")


@pytest.fixture
def project(copied: Path) -> Path:
    """That copy as the checkout is, to change learning_apps in."""
    for file in (SQL, SUBJECTS_SQL, YAML):
        shutil.copyfile(Path(__file__).resolve().parents[1] / file, copied / file)
    return copied


@pytest.fixture(scope="module")
def database(catalog_template: str, new_database) -> str:
    """A deployed catalog."""
    return new_database("views_in_place", template=catalog_template)


def columns(conn: psycopg.Connection) -> list[tuple[str, str]]:
    """Names and types of the columns of learning_apps."""
    return conn.execute(
        """select attname::text, format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = 'analytics.learning_apps'::regclass and attnum > 0 order by attnum"""
    ).fetchall()


@pytest.fixture
def conn(embedded_server: EmbeddedServer, database: str):
    """A connection as superuser, in autocommit."""
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as connected:
        yield connected


def test_other_columns_than_documented_are_refused(dbt: Dbt, database: str, project: Path, conn):
    """Another order, which dbt itself does not look at, and another type."""
    before = columns(conn)
    replace(project, SQL, f"{ID}{NAME}", "    name,\n    learning_app_id as id\n")
    replace(
        project, SUBJECTS_SQL, "    learning_app_id,\n", "    learning_app_id::text as learning_app_id,\n"
    )
    selection = ("--select", "learning_apps", "learning_app_subjects")
    result = dbt(database, "run", *selection, check=False, project=project)
    assert result.returncode == 1
    assert "The columns of learning_apps are not in the documented order" in result.stdout
    assert "documented: id, name" in result.stdout and "in the SQL: name, id" in result.stdout
    assert "learning_app_id" in result.stdout.partition("has an enforced contract that failed")[2]
    assert "ERROR=2" in result.stdout
    assert columns(conn) == before


def test_a_view_that_others_stand_on_is_not_dropped(dbt: Dbt, database: str, project: Path, conn):
    """Its columns cannot change in place; who stands on it is named. Without them it is made anew.

    What stands on it in the catalog itself goes with it, and comes again with the same run.
    """
    conn.execute("create schema if not exists consumer")
    conn.execute("create view consumer.apps as select id, name from analytics.learning_apps")
    before = columns(conn)
    assert before == [("id", "uuid"), ("name", "text")]
    replace(project, SQL, ID, "    learning_app_id::text as id,\n")
    replace(project, YAML, "        data_type: uuid\n", "        data_type: text\n")
    result = dbt(database, "run", "--select", "learning_apps", check=False, project=project)
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    assert "The columns of" in said and "change, and consumer.apps stand on it" in said
    assert columns(conn) == before
    assert conn.execute("select count(*) from consumer.apps").fetchone() == (0,)

    conn.execute("drop schema consumer cascade")
    dbt(database, "run", "--select", "learning_apps", project=project)
    assert columns(conn) == [("id", "text"), ("name", "text")]
    conn.execute("set role timeback_reader")
    assert conn.execute("select * from analytics.learning_apps").fetchall() == []
    conn.execute("reset role")
    assert conn.execute("select obj_description('analytics.learning_apps'::regclass)").fetchone()[0]


def test_what_stands_on_a_view_outlives_a_run(dbt: Dbt, database: str, project: Path, conn):
    """A consumer's view, a reader's transaction, a grant: dbt's own way loses all three."""
    dbt(database, "run", "--select", "learning_apps", project=project)
    conn.execute("create schema consumer")
    conn.execute("create view consumer.apps as select id, name from analytics.learning_apps")
    conn.execute("grant select on analytics.learning_apps to public")
    before = conn.execute(
        "select oid, relacl::text from pg_class where oid = 'analytics.learning_apps'::regclass"
    ).fetchone()
    replace(project, SQL, NAME, "    upper(name) as name\n")
    dbt(database, "run", "--select", "learning_apps", project=project)
    assert (
        before
        == conn.execute(
            "select oid, relacl::text from pg_class where oid = 'analytics.learning_apps'::regclass"
        ).fetchone()
    )
    assert "upper" in conn.execute("select pg_get_viewdef('analytics.learning_apps'::regclass)").fetchone()[0]
    assert conn.execute("select count(*) from consumer.apps").fetchone() == (0,)
