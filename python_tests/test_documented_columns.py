"""A run refuses columns that are not the documented ones. (How views are replaced: test_deploy.py.)"""

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
