"""What is refused rather than written."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair
import pytest
from click.testing import CliRunner

from timeback_analytics.cli import main
from timeback_analytics.docs.catalog import Catalog, Lineage, read_catalog
from timeback_analytics.docs.site import build_site
from timeback_analytics.errors import TimebackError

pytestmark = pytest.mark.takes_long


def _without_example(node: dict[str, Any]) -> None:
    del node["config"]["meta"]["example_query"]


def _with_a_join_to_nowhere(node: dict[str, Any]) -> None:
    node["config"]["meta"]["joins"]["student_id"] = "students.number"


def _with_a_rule_that_yaml_read_as_a_mapping(node: dict[str, Any]) -> None:
    node["config"]["meta"]["rules"].append({"a rule": "with a colon"})


def _without_a_description(node: dict[str, Any]) -> None:
    node["columns"]["date"]["description"] = " "


def _without_a_label(node: dict[str, Any]) -> None:
    del node["config"]["meta"]["label"]


def _with_a_kind_of_its_own(node: dict[str, Any]) -> None:
    node["columns"]["date"]["config"]["meta"]["pii"] = "secret"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_without_example, "sessions: no config.meta.example_query"),
        (_with_a_join_to_nowhere, "sessions: config.meta.joins ties student_id to students.number"),
        (
            _with_a_rule_that_yaml_read_as_a_mapping,
            "sessions: config.meta.rules has an entry that is no text",
        ),
        (_without_a_description, "sessions.date: no description"),
        (_without_a_label, "sessions: no config.meta.label"),
        (_with_a_kind_of_its_own, "sessions.date: config.meta.pii is none of identifier, directory"),
    ],
)
def test_gaps_are_refused(
    compiled_manifest: dict[str, Any],
    lineage: Lineage,
    spoil: Callable[[dict[str, Any]], None],
    says: str,
) -> None:
    manifest = copy.deepcopy(compiled_manifest)
    spoil(manifest["nodes"]["model.timeback_analytics.sessions"])
    with pytest.raises(TimebackError, match=re.escape(says)):
        read_catalog(manifest, lineage)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no .*lineage.json.*`timeback lineage` makes it"),
        ("{", "lineage.json is no JSON.*`timeback lineage` makes it again"),
        ("{}", "sessions: lineage.json knows other columns of it; `timeback lineage`"),
        ("sessions", "sessions.id: its SQL does not read its documented origin caliper_session.id"),
    ],
)
def test_a_lineage_that_is_none_is_refused(
    site: Path, lineage: Lineage, tmp_path: Path, content: str | None, says: str
) -> None:
    """Missing, broken, older than the project, or at odds with what is documented."""
    if content == "sessions":
        content = json.dumps({**lineage, "sessions": {**lineage["sessions"], "id": ["caliper_session.x"]}})
    for name in ("manifest.json", "static_index.html"):
        (tmp_path / name).symlink_to(site.parent / name)
    if content is not None:
        (tmp_path / "lineage.json").write_text(content)
    result = CliRunner().invoke(main, ["docs", "--target-path", str(tmp_path)])
    assert result.exit_code == 1
    assert re.search(says, result.output, re.DOTALL), result.output
    assert not (tmp_path / "docs").exists()


def test_somebody_elses_folder_is_left_alone(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(TimebackError, match="something else than the site"):
        build_site(catalog, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_every_question_with_a_chart_is_drawn(site: Path, catalog: Catalog) -> None:
    """Light and dark, with a text, of rows that are on the page too; as Altair understands it."""
    drawn = [question for question in catalog.questions if question.chart]
    assert len(drawn) >= 15
    page = (site / "questions.html").read_text(encoding="utf-8")
    for question in drawn:
        chart = {key: value for key, value in question.chart.items() if key != "alt"}
        altair.Chart.from_dict({**chart, "data": {"values": []}})
        pictures = {
            theme: (site / "charts" / f"{question.name}-{theme}.svg").read_text()
            for theme in ("light", "dark")
        }
        assert pictures["light"] != pictures["dark"]
        marks = re.findall(r'<path aria-label="([^"]*)"', pictures["light"])
        assert marks or "mark-line" in pictures["light"] or "mark-area" in pictures["light"], question.name
        assert len(question.chart["alt"]) > 30
        assert page.count(f'alt="{question.chart["alt"]}"'.replace("'", "&#39;")) == 2, question.name
