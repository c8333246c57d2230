"""The charts: every one is drawn, in colours that are told apart in the light and in the dark."""

import re
from pathlib import Path
from typing import Any

import altair
import pytest
import vl_convert

from browser import contrast
from timeback_analytics.docs import charts
from timeback_analytics.docs.catalog import Catalog
from timeback_analytics.docs.charts import THEMES, draw

pytestmark = pytest.mark.takes_long

STYLE = Path(__file__).parents[2] / "src" / "timeback_analytics" / "docs" / "static" / "site.css"
COLOUR = re.compile(r"#[0-9a-f]{6}\b")


def test_more_colours_than_usual_are_told_apart() -> None:
    for theme in THEMES.values():
        assert len(set(theme["colors"])) == len(theme["colors"]) >= 14


def test_colours_of_charts_are_seen_on_the_page() -> None:
    """Words as WCAG wants them, marks too, on the grounds that site.css gives the pages."""
    grounds = re.findall(r"--page: (#[0-9a-f]{6})", STYLE.read_text(encoding="utf-8"))
    for colours, ground in zip(THEMES.values(), grounds[:2], strict=True):
        for ink in ("text", "soft"):
            assert contrast(colours[ink], ground) >= 4.5, ink
        for mark in colours["colors"][:8]:
            assert contrast(mark, ground) >= 3, mark


def _coloured(svg: str) -> list[str]:
    """Colours and words of a chart, in their order; gradients are numbered from chart to chart."""
    shown = re.findall(r'(?:fill|stroke|stop-color)="([^"]+)"|>([^<>]+)</text>', svg)
    return [re.sub(r"gradient_\d+", "gradient", colour or words) for colour, words in shown]


@pytest.mark.parametrize("scale", ["category", "ramp"])
def test_the_dark_chart_is_what_vega_draws_in_dark_colours(scale: str) -> None:
    """Whether its colours were put in place of the light ones, or lie on a ramp and were drawn anew."""
    rows = [{"name": name, "value": value} for value, name in enumerate("abcdefghi")]
    color: dict[str, Any] = {"field": "name" if scale == "category" else "value"}
    color["type"] = "nominal" if scale == "category" else "quantitative"
    chart = {
        "mark": "bar",
        "encoding": {
            "x": {"field": "value", "type": "quantitative"},
            "y": {"field": "name", "type": "nominal"},
            "color": color,
        },
    }
    drawn = draw("it", chart, rows)
    config = charts._config(**THEMES["dark"])
    wanted = vl_convert.vegalite_to_svg({**chart, "width": 560, "data": {"values": rows}, "config": config})
    assert _coloured(drawn["dark"]) == _coloured(wanted)
    assert len(set(_coloured(drawn["dark"]))) >= 9 + 2
    assert drawn["light"] != drawn["dark"]


def test_no_chart_has_a_colour_of_the_other_theme(site: Path) -> None:
    pictures = sorted((site / "charts").glob("*.svg"))
    assert len(pictures) >= 96
    for picture in pictures:
        theme = picture.stem.rpartition("-")[2]
        (other,) = THEMES.keys() - {theme}
        strange = set(COLOUR.findall("".join(map(str, THEMES[other].values()))))
        assert not strange & set(COLOUR.findall(picture.read_text(encoding="utf-8"))), picture.name


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
