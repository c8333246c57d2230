"""Dashboards as QuickSight's definitions: data sets, calculated fields, filters, visuals and their places."""

from __future__ import annotations

from typing import Any

from timeback_analytics.quicksight.dashboards import PERIODS, Dashboard, Visual
from timeback_analytics.quicksight.names import one_line, title
from timeback_analytics.quicksight.permissions import permissions
from timeback_analytics.quicksight.settings import Settings

# the grid has 36 columns
PLACES = {"kpi": (9, 6), "bar": (18, 12), "line": (18, 12), "table": (18, 12)}


def dashboard(settings: Settings, one: Dashboard) -> dict[str, Any]:
    """The parameters of CreateDashboard."""
    return {
        "AwsAccountId": settings.account,
        "DashboardId": settings.id(one.name),
        "Name": settings.name(one.title),
        "Definition": definition(settings, one),
        **_around(settings, "dashboard"),
    }


def analysis(settings: Settings, one: Dashboard) -> dict[str, Any]:
    """The parameters of CreateAnalysis: the same, for authors to build on."""
    return {
        "AwsAccountId": settings.account,
        "AnalysisId": settings.id(one.name),
        "Name": settings.name(one.title),
        "Definition": definition(settings, one),
        **_around(settings, "analysis"),
    }


def _around(settings: Settings, kind: str) -> dict[str, Any]:
    given: dict[str, Any] = {
        "FolderArns": [settings.arn("folder", settings.id("catalog"))],
        "Tags": settings.all_tags,
        "ValidationStrategy": {"Mode": "STRICT"},
    }
    if granted := permissions(settings, kind):
        given["Permissions"] = granted
    return given


def definition(settings: Settings, one: Dashboard) -> dict[str, Any]:
    """The definition that an analysis and its dashboard share."""
    data_sets = {visual.data_set.name: visual.data_set for visual in one.visuals}
    filters = _filter_groups(one)
    return {
        "DataSetIdentifierDeclarations": [
            {"Identifier": name, "DataSetArn": settings.arn("dataset", settings.id(name))}
            for name in sorted(data_sets)
        ],
        "CalculatedFields": [
            {
                "DataSetIdentifier": visual.data_set.name,
                "Name": visual.field_name,
                "Expression": visual.expression,
            }
            for visual in one.visuals
        ],
        **({"FilterGroups": filters} if filters else {}),
        "Sheets": [
            {
                "SheetId": one.name,
                "Name": one.title,
                "Description": one_line(one.description),
                "ContentType": "INTERACTIVE",
                "Visuals": [_visual(visual) for visual in one.visuals],
                "Layouts": [{"Configuration": {"GridLayout": {"Elements": _places(one)}}}],
            }
        ],
        # the catalog's weeks begin on Mondays, and its days are days of its own time zone
        "Options": {"WeekStart": "MONDAY"},
    }


def _places(one: Dashboard) -> list[dict[str, Any]]:
    """Left to right, a new row where one is full or of another height."""
    elements, column, row, height = [], 0, 0, 0
    for visual in one.visuals:
        width, tall = PLACES[visual.kind]
        if column + width > 36 or (height and tall != height):
            column, row = 0, row + height
        height = tall
        elements.append(
            {
                "ElementId": visual.name,
                "ElementType": "VISUAL",
                "ColumnIndex": column,
                "ColumnSpan": width,
                "RowIndex": row,
                "RowSpan": tall,
            }
        )
        column += width
    return elements


def _column(visual: Visual, name: str) -> dict[str, str]:
    return {"DataSetIdentifier": visual.data_set.name, "ColumnName": name}


def _filter_groups(one: Dashboard) -> list[dict[str, Any]]:
    """A filter for each data set, date and period, on the visuals that have them."""
    groups: dict[tuple[str, str, str], list[Visual]] = {}
    for visual in one.visuals:
        if visual.period:
            groups.setdefault((visual.data_set.name, visual.dates, visual.period), []).append(visual)
    made = []
    for (data_set, dates, period), visuals in sorted(groups.items()):
        name = f"{data_set}-{dates}-{period}".replace("_", "-")
        how, weeks = PERIODS[period]
        relative: dict[str, Any] = {
            "FilterId": name,
            "Column": _column(visuals[0], title(dates)),
            "AnchorDateConfiguration": {"AnchorOption": "NOW"},
            "TimeGranularity": "WEEK",
            "RelativeDateType": how,
            "NullOption": "NON_NULLS_ONLY",
        }
        if how == "LAST":
            relative["RelativeDateValue"] = weeks
        scope = {
            "SheetId": one.name,
            "Scope": "SELECTED_VISUALS",
            "VisualIds": [visual.name for visual in visuals],
        }
        made.append(
            {
                "FilterGroupId": f"group-{name}",
                "CrossDataset": "SINGLE_DATASET",
                "Status": "ENABLED",
                "ScopeConfiguration": {"SelectedSheets": {"SheetVisualScopingConfigurations": [scope]}},
                "Filters": [{"RelativeDatesFilter": relative}],
            }
        )
    return made


def _measure(visual: Visual) -> dict[str, Any]:
    field: dict[str, Any] = {
        "FieldId": f"{visual.name}-value",
        "Column": _column(visual, visual.field_name),
    }
    if visual.format == "percent":
        decimals = {"DecimalPlacesConfiguration": {"DecimalPlaces": 1}}
        field["FormatConfiguration"] = {
            "FormatConfiguration": {"PercentageDisplayFormatConfiguration": decimals}
        }
    return {"NumericalMeasureField": field}


def _dimension(visual: Visual, name: str, each: str = "") -> dict[str, Any]:
    field: dict[str, Any] = {"FieldId": f"{visual.name}-{name}", "Column": _column(visual, title(name))}
    if each:
        return {"DateDimensionField": field | {"DateGranularity": each.upper()}}
    return {"CategoricalDimensionField": field}


def _visual(visual: Visual) -> dict[str, Any]:
    categories = [_dimension(visual, visual.by, visual.each)] if visual.by else []
    colors = [_dimension(visual, visual.color)] if visual.color else []
    values = [_measure(visual)]
    wells: dict[str, Any] = {"Values": values}
    chart: dict[str, Any]
    if visual.kind == "kpi":
        kind, chart = "KPIVisual", {"FieldWells": wells}
    elif visual.kind == "table":
        kind = "TableVisual"
        chart = {
            "FieldWells": {"TableAggregatedFieldWells": {"GroupBy": categories + colors, "Values": values}}
        }
    else:
        kind, wells_name = {
            "bar": ("BarChartVisual", "BarChartAggregatedFieldWells"),
            "line": ("LineChartVisual", "LineChartAggregatedFieldWells"),
        }[visual.kind]
        wells = {"Category": categories, **wells} | ({"Colors": colors} if colors else {})
        chart = {"FieldWells": {wells_name: wells}, "SortConfiguration": {"CategorySort": [_sort(visual)]}}
        if visual.kind == "bar":
            chart["BarsArrangement"] = "STACKED"
    inner: dict[str, Any] = {
        "VisualId": visual.name,
        "Title": {"Visibility": "VISIBLE", "FormatText": {"PlainText": visual.title}},
        "ChartConfiguration": chart,
        "VisualContentAltText": f"{visual.title}. {visual.subtitle}".strip(),
    }
    if visual.subtitle:
        inner["Subtitle"] = {"Visibility": "VISIBLE", "FormatText": {"PlainText": visual.subtitle}}
    return {kind: inner}


def _sort(visual: Visual) -> dict[str, Any]:
    if visual.sort:
        return {
            "ColumnSort": {
                "SortBy": _column(visual, title(visual.sort)),
                "Direction": "ASC",
                "AggregationFunction": {
                    "NumericalAggregationFunction": {"SimpleNumericalAggregation": "MIN"}
                },
            }
        }
    return {"FieldSort": {"FieldId": f"{visual.name}-{visual.by}", "Direction": "ASC"}}
