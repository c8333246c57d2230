"""What is refused rather than written."""

import copy
import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from test_quicksight_dashboards import NUMBERS
from timeback_analytics import quicksight
from timeback_analytics.cli import main
from timeback_analytics.docs.catalog import Catalog, Lineage, read_catalog
from timeback_analytics.docs.dashboards import shown
from timeback_analytics.docs.facts import Seen
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
            "sessions: config.meta.rules has an entry that is not text",
        ),
        (_without_a_description, "sessions.date: no description"),
        (_without_a_label, "sessions: no config.meta.label"),
        (_with_a_kind_of_its_own, "sessions.date: config.meta.pii is not one of identifier, directory"),
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
        read_catalog(manifest, lineage, {})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no .*lineage.json.*`timeback lineage` makes it"),
        ("{", "lineage.json is not JSON.*`timeback lineage` makes it again"),
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
    for name in ("manifest.json", "semantic_manifest.json", "static_index.html"):
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


def _tiles(site: Path) -> dict[str, str]:
    """The HTML of each visual on the page of dashboards, by its anchor."""
    page = (site / "dashboards.html").read_text(encoding="utf-8")
    return dict(
        re.findall(r'<section class="tile \w+" aria-labelledby="([\w-]+)">(.*?)</section>', page, re.S)
    )


def _described() -> list[tuple[str, dict[str, str]]]:
    """Anchor and description of each visual, as dashboards.yml has them."""
    given = yaml.safe_load(files(quicksight).joinpath("dashboards.yml").read_text(encoding="utf-8"))
    return [
        (f"{one['name']}-{visual['name']}", visual)
        for one in given["dashboards"]
        for visual in one["visuals"]
    ]


def _rows(html: str) -> list[list[str]]:
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.S)
    assert body, html
    return [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body[1])]


def _as_number(text: str) -> float:
    return float(text.rstrip("%").replace(",", "")) / (100 if text.endswith("%") else 1)


def test_every_visual_of_the_dashboards_is_shown(site: Path, catalog: Catalog) -> None:
    """In its order: with title and SQL, and the numbers that the bound login of a school was given."""
    tiles = _tiles(site)
    assert list(tiles) == [anchor for anchor, _ in _described()]
    for anchor, visual in _described():
        html = tiles[anchor]
        assert f">{visual['title']}</h3>" in html
        assert visual.get("subtitle", "") in html
        sql = unescape(re.sub(r"<[^>]+>", "", html[html.rindex("<details") :]))
        if "metric" in visual:
            assert f'href="metrics/{visual["metric"]}.html"' in html
        else:
            assert visual["value"] in sql
        assert f"from {catalog.schema}." in sql, anchor
        assert ("current_date" in sql) == ("period" in visual)
        rows, total = NUMBERS[visual["name"]]
        if visual["kind"] == "kpi":
            shown = [_as_number(re.search(r'<p class="number">(.*?)</p>', html)[1])]
        else:
            shown = [_as_number(row[-1]) for row in _rows(html)]
        assert len(shown) == rows, anchor
        # a shown value is rounded to a tenth, or to a tenth of a percent
        assert sum(shown) == pytest.approx(total, abs=0.051 * rows), anchor


def test_bars_and_lines_of_the_dashboards_are_drawn(site: Path) -> None:
    """Light and dark, with a text, each row a mark. A number or a table is not a picture."""
    tiles = _tiles(site)
    files_of_charts = {path.name for path in (site / "charts").glob("dashboard-*")}
    for anchor, visual in _described():
        pictures = [f"dashboard-{anchor}-{theme}.svg" for theme in ("light", "dark")]
        if visual["kind"] in ("kpi", "table"):
            assert "<img" not in tiles[anchor]
            continue
        files_of_charts -= set(pictures)
        light, dark = ((site / "charts" / name).read_text() for name in pictures)
        assert light != dark
        assert all(f'src="charts/{name}"' in tiles[anchor] for name in pictures)
        alt = re.findall(r'alt="([^"]*)"', tiles[anchor])
        assert len(alt) == 2 and visual["title"] in unescape(alt[0]), anchor
        # Vega writes a minus sign of its own
        marks = re.findall(r'aria-label="[^"]*\bvalue: (\u2212?[\d.,]+%?)', light)
        if visual["kind"] == "line":
            # the line itself has the label of its first point
            marks = marks[1:]
            assert "mark-line" in light
        drawn = sorted(_as_number(mark.replace("\u2212", "-")) for mark in marks)
        wanted = sorted(_as_number(row[-1]) for row in _rows(tiles[anchor]))
        # both are rounded, and a label to a whole percent
        assert drawn == pytest.approx(wanted, abs=0.0056 if "format" in visual else 0.0501), anchor
    assert not files_of_charts


def test_a_visual_without_rows_says_so(catalog: Catalog) -> None:
    dashboard = catalog.dashboards[0]
    empty = Seen("A school", dt.date(2026, 3, 15), {dashboard.anchor(one): [] for one in dashboard.visuals})
    for one in shown(dashboard, empty):
        assert not one.chart and not one.number and not one.table
    kpi = dashboard.visuals[1]
    assert kpi.kind == "kpi"
    nothing = replace(empty, rows={**empty.rows, dashboard.anchor(kpi): [{"value": None}]})
    assert shown(dashboard, nothing)[1].number == "none"
