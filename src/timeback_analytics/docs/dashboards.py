"""The dashboards' visuals as the page shows them: a number or a table as text, bars and lines as a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from timeback_analytics.docs.facts import Seen
from timeback_analytics.quicksight.dashboards import Dashboard, Visual
from timeback_analytics.quicksight.names import title

_NONE = "none"
# Two charts stand side by side.
_SIZE = {"width": 400, "height": 220}
_DAYS = {"day": 1, "week": 7}
# As many days have a label each on the axis.
_FEW = 8
_PERIOD_DAYS = {"last_week": 7, "last_8_weeks": 56}


@dataclass(frozen=True)
class Shown:
    """One visual with its rows.

    Attributes:
        visual: what dashboards.yml says of it.
        anchor: its name on the page, and in the name of its chart.
        rows: category, color and value, those that it has; a missing category or colour is "none".
        table: the same for people, under headings; empty where there are no rows.
        number: the value of a kpi for people; "" of any other kind.
        chart: how bars and lines are drawn, as a question's chart with `alt`; empty for any other kind, and
            where there are no rows.
    """

    visual: Visual
    anchor: str
    rows: Sequence[Mapping[str, Any]]
    table: Sequence[Mapping[str, str]]
    number: str
    chart: Mapping[str, Any]


def shown(dashboard: Dashboard, seen: Seen | None) -> list[Shown]:
    """A dashboard's visuals; without what a school sees they have no rows."""
    return [_shown(dashboard.anchor(visual), visual, seen) for visual in dashboard.visuals]


def _shown(anchor: str, visual: Visual, seen: Seen | None) -> Shown:
    rows = [
        {name: _NONE if value is None and name != "value" else value for name, value in row.items()}
        for row in (seen.rows[anchor] if seen else ())
    ]
    headings = {"category": _heading(visual), "color": title(visual.color or "color"), "value": "Value"}
    table = [
        {headings[name]: _number(visual, value) if name == "value" else value for name, value in row.items()}
        for row in rows
    ]
    drawn = bool(rows) and visual.kind in ("bar", "line")
    number = _number(visual, rows[0]["value"]) if rows and visual.kind == "kpi" else ""
    return Shown(visual, anchor, rows, table, number, _chart(visual, rows) if drawn else {})


def _heading(visual: Visual) -> str:
    return visual.each.capitalize() if visual.each else title(visual.by or "category")


def _number(visual: Visual, value: float | None) -> str:
    """A value as people read it: 1,096, 50.2 or 44.1 %."""
    if value is None:
        return _NONE
    if visual.format == "percent":
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _chart(visual: Visual, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A Vega-Lite chart: time runs to the right, other categories stand below one another."""
    value: dict[str, Any] = {"field": "value", "type": "quantitative", "title": None, "axis": {}}
    if visual.format == "percent":
        value["axis"] = {"format": ".0%"}
    elif all(isinstance(row["value"], int) for row in rows):
        value["axis"] = {"tickMinStep": 1}
    mark: dict[str, Any] = {"type": "line", "point": True} if visual.kind == "line" else {"type": "bar"}
    category: dict[str, Any] = {"field": "category", "title": None}
    if visual.each:
        slots = _PERIOD_DAYS[visual.period] // _DAYS[visual.each] if visual.period else len(rows)
        if visual.kind == "bar":
            mark["width"] = max(2, round(0.7 * _SIZE["width"] / (slots + 1)))
        category |= {"type": "temporal", "scale": {"type": "utc", "padding": 24}, "axis": _time_axis(rows)}
        encoding = {"x": category, "y": value}
    else:
        category |= {"type": "nominal", "sort": None}
        encoding = {"y": category, "x": value}
    if visual.color:
        legend = {"orient": "bottom", "columns": 2, "labelLimit": 260}
        encoding["color"] = {
            "field": "color",
            "type": "nominal",
            "title": title(visual.color),
            "legend": legend,
        }
    size = _SIZE if visual.each else {"width": _SIZE["width"]}
    return {"alt": _alt(visual), "mark": mark, "encoding": encoding, **size}


def _time_axis(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Days as 2 Mar: each of them where there are few, else the Mondays."""
    days = sorted({date.fromisoformat(row["category"]) for row in rows if row["category"] != _NONE})
    if len(days) > _FEW:
        monday = days[0] - timedelta(days=days[0].weekday())
        days = [monday + timedelta(weeks=week) for week in range((days[-1] - monday).days // 7 + 1)]
    values = [{"year": day.year, "month": day.month, "date": day.day, "utc": True} for day in days]
    return {"format": "%-d %b", "grid": False, "values": values}


def _alt(visual: Visual) -> str:
    kind = "A line" if visual.kind == "line" else "Stacked bars" if visual.color else "Bars"
    what = f"{visual.title}. {visual.subtitle}".strip().rstrip(".")
    parts = [f"{kind}: {what}."]
    if visual.color:
        parts.append(f"A colour for each {title(visual.color).lower()}.")
    parts.append("Its rows follow as a table.")
    return " ".join(parts)
