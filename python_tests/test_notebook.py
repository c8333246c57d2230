"""The demo's notebook runs from its first cell to its last, as a login of one school."""

import os
from pathlib import Path

import nbformat
import psycopg
import pytest
from nbclient import NotebookClient

from timeback_analytics.server import EmbeddedServer

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "demo" / "first_charts.ipynb"
CHART = "image/svg+xml"


def test_it_is_kept_without_its_answers() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_it_goes_from_a_bound_login_to_three_charts(
    embedded_server: EmbeddedServer, demo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", demo_database)
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    charts = [output.data[CHART] for output in outputs if CHART in output.get("data", {})]
    assert len(charts) == 3
    with psycopg.connect(embedded_server.dsn(demo_database)) as conn:
        school, name = conn.execute(
            "select id::text, name from analytics.schools order by student_count desc, id limit 1"
        ).fetchone()
        conn.execute("select set_config('app.allowed_org_ids', %s, false)", [school])
        students = conn.execute("select count(*) from analytics.students").fetchone()[0]
        weeks = conn.execute(
            "select count(distinct date_trunc('week', date)) from analytics.sessions"
            " where date >= '2025-08-01' and student_id is not null"
        ).fetchone()[0]
    assert students > 0
    said = [output.data["text/plain"] for output in outputs if "text/plain" in output.get("data", {})]
    assert f"'{students} students of {name}; of another organization 0'" in said
    assert charts[0].count('aria-roledescription="bar"') == weeks > 0
