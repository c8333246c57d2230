"""Charts as SVG files: a question's rows, drawn by Vega-Lite without a browser and without a network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert

from timeback_analytics.errors import TimebackError
from timeback_analytics.metrics import Metric

_FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
"""What a page shows a chart's words in. Vega-Lite measures them in the font that it brings along: to look for
these takes it as long as all else that it does, and a chart would not be the same on two machines."""
THEMES = {
    "light": {
        "text": "#1b2230",
        "soft": "#566072",
        "line": "#d9dde3",
        "colors": [
            *("#1f66b5", "#b3560b", "#1b7a55", "#b23a48", "#6a4bb8", "#67612a", "#9c3587", "#0f7484"),
            *("#133d6d", "#6b3407", "#104933", "#6b232b", "#402d6e", "#3e3a19", "#5e2051", "#09464f"),
        ],
        "ramp": ["#e3edf8", "#1f66b5"],
    },
    "dark": {
        "text": "#e4e8ef",
        "soft": "#a3adbd",
        "line": "#323b49",
        "colors": [
            *("#76b0f0", "#f0b07a", "#6fcca3", "#f0929c", "#b3a0f0", "#cbc37a", "#e59ad4", "#6cc9d8"),
            *("#44668b", "#8b6647", "#40765f", "#8b555a", "#685d8b", "#767147", "#85597b", "#3f757d"),
        ],
        "ramp": ["#1d2b3d", "#8fc0f7"],
    },
}
"""Colours of the themes, those of the pages; a ninth to sixteenth category has a darker shade of a first."""

_COLOUR_BETWEEN = "rgb("
"""How Vega writes a colour that it found itself, somewhere on a ramp."""
_DARK_FOR = {
    **{THEMES["light"][part]: THEMES["dark"][part] for part in ("text", "soft", "line")},
    **dict(zip(THEMES["light"]["colors"], THEMES["dark"]["colors"], strict=True)),
}


def chart_of_metric(metric: Metric) -> dict[str, Any]:
    """How a metric's breakdown is drawn: a line over weeks, bars for anything else.

    Returns:
        A chart as a question has one, with `alt`.
    """
    by, label = metric.breakdown.by, metric.label
    value = {
        "field": "value",
        "type": "quantitative",
        "title": f"{label} ({metric.unit})",
        **({"axis": {"format": ".0%"}, "title": label} if metric.unit.startswith("share") else {}),
    }
    if by == "week":
        return {
            "alt": f"A line: {label}, week by week.",
            "mark": {"type": "line", "point": True},
            "encoding": {"x": {"field": by, "type": "temporal", "title": "Week"}, "y": value},
        }
    return {
        "alt": f"Bars: {label}, by {by}.",
        "mark": "bar",
        "encoding": {"y": {"field": by, "type": "nominal", "sort": None, "title": None}, "x": value},
    }


def draw(name: str, chart: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A chart in each theme.

    Args:
        name: whose chart it is, for a message.
        chart: a Vega-Lite chart without data, schema and colours; `alt` is not for it.
        rows: its data.

    Returns:
        {theme: SVG}.

    Raises:
        TimebackError: Vega-Lite does not understand the chart.
    """
    spec = {
        "width": 560,
        **{key: value for key, value in chart.items() if key != "alt"},
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": list(rows)},
    }
    try:
        light = _svg(spec, "light")
        # drawing takes long; where each colour of the one theme stands for one of the other, once is enough
        dark = _recoloured(light) if _COLOUR_BETWEEN not in light else _svg(spec, "dark")
    except ValueError as error:
        raise TimebackError(f"The chart of {name} cannot be drawn: {error}") from error
    return {"light": light, "dark": dark}


def _svg(spec: Mapping[str, Any], theme: str) -> str:
    svg = vl_convert.vegalite_to_svg({**spec, "config": _config(**THEMES[theme])})
    return svg.replace('font-family="sans-serif"', f'font-family="{_FONT}"')


def _recoloured(light: str) -> str:
    """A chart of the light theme in the colours of the dark one."""
    return re.sub("|".join(_DARK_FOR), lambda colour: _DARK_FOR[colour[0]], light)


def _config(text: str, soft: str, line: str, colors: list[str], ramp: list[str]) -> dict[str, Any]:
    """Vega-Lite's settings for a theme, on a transparent ground."""
    return {
        "background": "transparent",
        "view": {"stroke": "transparent"},
        "range": {"category": colors, "heatmap": ramp, "ramp": ramp, "ordinal": ramp},
        "mark": {"color": colors[0]},
        "text": {"color": text},
        "rule": {"color": soft},
        "axis": {
            "domainColor": soft,
            "tickColor": soft,
            "gridColor": line,
            "labelColor": soft,
            "titleColor": text,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 260,
        },
        "legend": {"labelColor": soft, "titleColor": text, "labelFontSize": 12, "titleFontWeight": "normal"},
        "header": {"labelColor": text, "titleColor": text, "labelFontSize": 12},
        "title": {"color": text, "anchor": "start", "fontWeight": "normal"},
    }
