"""What is loaded is what the published views show, to whoever may see it."""

from pathlib import Path

import psycopg
import pytest
from roster_bundles import row_id, small_bundle, written

from timeback_analytics.load import load


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_views_show_the_bundle(catalog: psycopg.Connection, tmp_path: Path, version: str) -> None:
    bundle = small_bundle(version)
    load("oneroster", written(tmp_path / "bundle", version, bundle), connection=catalog)
    names = {
        "students": "select name from analytics.students",
        "guides": "select name from analytics.guides",
        "student_guides": "select student_name || ' / ' || guide_name from analytics.student_guides",
        "student_schools": "select school_name || ' / ' || link_kind from analytics.student_schools"
        " order by 1",
    }
    assert [catalog.execute(query).fetchall() for query in names.values()] == [[], [], [], []]
    catalog.execute("select set_config('app.allowed_org_ids', %s, false)", [row_id("org", "s1")])
    assert {view: [row[0] for row in catalog.execute(query)] for view, query in names.items()} == {
        "students": ["Ada Lovelace"],
        "guides": ["Grace Hopper"],
        "student_guides": ["Ada Lovelace / Grace Hopper"],
        "student_schools": ["School / enrollment", "School / primary_role"],
    }
    assert catalog.execute(
        "select title, cardinality(grade_ids), cardinality(subject_ids), school_name from analytics.classes"
    ).fetchall() == [("Algebra 1", 0, 1, "School")]
    # whoever leaves the school is gone from its view with the next load
    if version == "1.1":
        bundle["users"][0]["orgSourcedIds"] = "d1"
    else:
        bundle["roles"][0]["orgSourcedId"] = "d1"
    load("oneroster", written(tmp_path / "next", version, bundle), connection=catalog)
    assert catalog.execute(names["students"]).fetchall() == []
