"""dbt's own tests run under a scope that sees rows; when that is lost, one of them says so."""

import re
from pathlib import Path

import pytest

from project_copy import copy_project, replace

GUARD = "scoped_datasets_show_rows"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose tests run under no scope."""
    copied = copy_project(tmp_path_factory.mktemp("guard") / "project")
    replace(copied, "macros/overrides/test_scope.sql", '.get("scope", "*")', '.get("scope", "")')
    return copied


@pytest.fixture(scope="module")
def datasets(manifest) -> list[str]:
    """The datasets that are scoped whatever the variables say."""
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return sorted(node["name"] for node in models if "scope" in node["config"]["meta"])


def test_it_fails_where_the_tests_run_under_no_scope(dbt, people_database, project, datasets):
    """With every dataset that shows none; the tests on their rows find nothing wrong, seeing none.

    That it passes where the scope is right is seen when the whole project is built on the demo.
    """
    result = dbt(
        people_database, "test", "--select", GUARD, "not_null_students_id", check=False, project=project
    )
    assert result.returncode == 1
    assert re.search(rf"FAIL {len(datasets)} {GUARD}", result.stdout), result.stdout
    assert "PASS not_null_students_id" in result.stdout


def test_it_holds_a_new_scoped_dataset_against_its_list(dbt, people_database, project):
    replace(project, f"tests/{GUARD}.sql", "    'waste_insights',\n", "")
    result = dbt(people_database, "test", "--select", GUARD, check=False, project=project)
    assert result.returncode != 0
    assert re.search(
        r"waste_insights; list them, sorted, in tests/scoped_datasets_show_rows.sql", result.stdout
    )
