"""The dashboards of dashboards.yml: what they show, as SQL and in words, independent of what draws them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from textwrap import indent
from typing import Any

import yaml

from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.data_sets import Added, DataSet
from timeback_analytics.quicksight.expressions import CannotBeSaidError, calculated_field
from timeback_analytics.quicksight.metrics import Metric
from timeback_analytics.quicksight.names import title
from timeback_analytics.quicksight.relations import Relation

KINDS = ("kpi", "bar", "line", "table")
PERIODS = {"last_week": ("PREVIOUS", 1), "last_8_weeks": ("LAST", 8)}


@dataclass(frozen=True)
class Visual:
    """One visual.

    Attributes:
        name: unique in its dashboard.
        kind: kpi, bar, line or table.
        data_set: what it reads.
        value: an SQL aggregate over the data set's columns.
        metric: the one of dbt's metrics that the value is made of; "" for a value of the visual's own.
        expression: the same as a calculated field.
        by: the column whose values are the categories; "" for a single number.
        each: "day" or "week" where `by` is a date or time.
        color: a second column; "" for none.
        sort: a column that the categories are sorted by, itself if "".
        format: "percent", or "" for a number.
        dates: the date or time that the period is about.
        period: last_week, last_8_weeks, or "" for all time.
    """

    name: str
    title: str
    kind: str
    data_set: DataSet
    value: str
    expression: str
    metric: str = ""
    subtitle: str = ""
    by: str = ""
    each: str = ""
    color: str = ""
    sort: str = ""
    format: str = ""
    dates: str = ""
    period: str = ""

    @property
    def field_name(self) -> str:
        """The calculated field that holds the value."""
        return f"Value of {self.name.replace('_', ' ')}"

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that it reads."""
        joined = self.data_set.joined_for(self._columns())
        return (self.data_set.base.name, *(added.to_relation for added in joined))

    def sql(self, schema: str, today: dt.date | None = None) -> str:
        """The visual as a query with the columns category, color and value, those that it has.

        Args:
            schema: the schema of the views.
            today: the day that weeks are counted back from; None for the database's.
        """
        category = self.by
        if self.each:
            category = f"date_trunc('{self.each}', {self.by}::timestamp)::date"
        groups = [(sql, name) for sql, name in ((category, "category"), (self.color, "color")) if sql]
        shown = ",\n".join(f"    {sql} as {name}" for sql, name in (*groups, (self.value, "value")))
        parts = [f"select\n{shown}", f"from {schema}.{self.data_set.base.name}"]
        if self.data_set.added:
            rows = indent(self.data_set.sql(schema, self._columns()), "    ")
            parts = [f"with rows_shown as (\n{rows}\n)\n", parts[0], "from rows_shown"]
        if self.period:
            parts.append(self._where(f"date '{today}'" if today else "current_date"))
        if groups:
            places = ", ".join(str(place) for place in range(1, len(groups) + 1))
            parts.append(f"group by {places}")
            parts.append(f"order by min({self.sort}), {places}" if self.sort else f"order by {places}")
        return "\n".join(parts)

    def _columns(self) -> set[str]:
        """The columns that its query reads; a word of the value that is none is never a column's name."""
        return set(re.findall(r"\w+", " ".join((self.value, self.by, self.color, self.sort, self.dates))))

    def _where(self, day: str) -> str:
        """The condition that the period sets, counted back from a day, an SQL expression."""
        monday = f"date_trunc('week', {day}::timestamp)"
        how, weeks = PERIODS[self.period]
        first, end = (weeks, monday) if how == "PREVIOUS" else (weeks - 1, f"{monday} + interval '1 week'")
        begin = f"{monday} - interval '{first} week{'' if first == 1 else 's'}'"
        return f"where {self.dates} >= {begin}\n  and {self.dates} < {end}"


@dataclass(frozen=True)
class Dashboard:
    """One dashboard."""

    name: str
    title: str
    description: str
    visuals: tuple[Visual, ...]
    faults: tuple[str, ...] = field(default=(), compare=False)

    def anchor(self, visual: Visual) -> str:
        """A name for a visual that no visual of another dashboard has."""
        return f"{self.name}-{visual.name}"


def read_dashboards(
    relations: Mapping[str, Relation], metrics: Mapping[str, Metric], text: str | None = None
) -> tuple[list[DataSet], list[Dashboard]]:
    """The data sets that dashboards need beside one a dataset, and the dashboards.

    Args:
        relations: the datasets.
        metrics: dbt's metrics, by name.
        text: other YAML than the project's own.

    Raises:
        TimebackError: something is named that is not there; all of it is told.
    """
    given = yaml.safe_load(text or files(__package__).joinpath("dashboards.yml").read_text(encoding="utf-8"))
    problems: list[str] = []
    own: dict[str, DataSet] = {}
    for one in given["data_sets"]:
        made = _data_set(one, relations, problems)
        if made:
            own[made.name] = made
    known = {
        relation.name: DataSet(relation.name, relation.title, relation) for relation in relations.values()
    }
    known |= own
    dashboards = []
    for one in given["dashboards"]:
        visuals = [_visual(visual, known, relations, metrics, problems) for visual in one["visuals"]]
        names = [visual["name"] for visual in one["visuals"]]
        problems += [
            f"{one['name']}: there are two visuals {name}" for name in names if names.count(name) > 1
        ]
        dashboards.append(
            Dashboard(one["name"], one["title"], one["description"].strip(), tuple(filter(None, visuals)))
        )
    if problems:
        raise TimebackError("The dashboards have faults:\n" + "\n".join(f"  {one}" for one in problems))
    return list(own.values()), dashboards


def _data_set(
    one: Mapping[str, Any], relations: Mapping[str, Relation], problems: list[str]
) -> DataSet | None:
    if one["of"] not in relations:
        problems.append(f"{one['name']}: there is no dataset {one['of']}")
        return None
    added = tuple(
        Added(join["by"], join["to"].split(".")[0], join["to"].split(".")[1], join["columns"])
        for join in one["add"]
    )
    made = DataSet(one["name"], one["title"], relations[one["of"]], added)
    found = made.check(relations)
    problems += found
    return None if found else made


def _visual(
    one: Mapping[str, Any],
    known: Mapping[str, DataSet],
    relations: Mapping[str, Relation],
    metrics: Mapping[str, Metric],
    problems: list[str],
) -> Visual | None:
    told = f"visual {one['name']}"
    given = dict(one)
    metric = metrics.get(given.get("metric", ""))
    if "metric" in one and metric is None:
        problems.append(f"{told}: there is no metric {one['metric']} that QuickSight can say")
        return None
    name = given.pop("of", None) or (metric.relation if metric else "")
    if name not in known:
        problems.append(f"{told}: there is no data set {name}")
        return None
    data_set = known[name]
    columns = {column.name: column for column in data_set.base.columns}
    for added in data_set.added:
        columns |= {new: relations[added.to_relation].column(old) for old, new in added.columns.items()}
    found = [
        f"{told}: {name} has no column {given[part]}"
        for part in ("by", "color", "sort", "dates")
        if given.get(part) and given[part] not in columns
    ]
    if given["kind"] not in KINDS:
        found.append(f"{told}: the kind {given['kind']} is not one of {', '.join(KINDS)}")
    if given.get("period") and given["period"] not in PERIODS:
        found.append(f"{told}: the period {given['period']} is not one of {', '.join(PERIODS)}")
    if metric and data_set.base.name != metric.relation:
        found.append(f"{told}: the metric {metric.name} is of {metric.relation}, and {name} is not")
    divisor = given.pop("divided_by", None)
    value = metric.sql if metric else given.pop("value")
    value = f"({value}) / {divisor:.1f}" if divisor else value
    fields = {column: title(column) for column in columns}
    booleans = frozenset(column for column, one in columns.items() if one.bi_type == "boolean")
    try:
        expression = calculated_field(value, fields, booleans, row_field=title(data_set.base.columns[0].name))
    except CannotBeSaidError as error:
        found.append(f"{told}: {error}")
    problems += found
    return None if found else Visual(**given, data_set=data_set, value=value, expression=expression)
