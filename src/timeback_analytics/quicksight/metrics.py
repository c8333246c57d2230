"""dbt's metrics (semantic_manifest.json) as SQL and as QuickSight's calculated fields.

Simple metrics and ratios within one dataset can be said in both. Every other metric is refused by name, with
the reason, so that nobody takes its absence for an oversight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timeback_analytics.quicksight.expressions import CannotBeSaidError, calculated_field
from timeback_analytics.quicksight.names import title
from timeback_analytics.quicksight.relations import Relation

SQL_OF_AGGREGATION = {
    "sum": "sum({})",
    "min": "min({})",
    "max": "max({})",
    "count": "count({})",
    "count_distinct": "count(distinct {})",
    "average": "avg({})",
    "median": "median({})",
    "sum_boolean": "sum(case when {} then 1 else 0 end)",
}


@dataclass(frozen=True)
class Metric:
    """A metric that a dataset's columns make.

    Attributes:
        name: dbt's.
        title: as a person reads it.
        description: dbt's, and what the metric does not count.
        synonyms: what others call it.
        additive: whether values of it may be added up.
        relation: the dataset.
        sql: an aggregate over its columns.
        expression: the same as a calculated field.
    """

    name: str
    title: str
    description: str
    synonyms: tuple[str, ...]
    additive: bool
    relation: str
    sql: str
    expression: str


@dataclass(frozen=True)
class Refused:
    """A metric that is not carried over, and why."""

    name: str
    reason: str


def read_metrics(
    semantic_manifest: Mapping[str, Any], relations: Mapping[str, Relation]
) -> tuple[dict[str, Metric], list[Refused]]:
    """The metrics that can be said in QuickSight, by name, and those that cannot.

    Args:
        semantic_manifest: dbt's semantic_manifest.json.
        relations: the datasets.
    """
    semantic = _Semantic(semantic_manifest)
    metrics, refused = {}, []
    for given in sorted(semantic_manifest.get("metrics", ()), key=lambda one: one["name"]):
        try:
            relation, sql = semantic.sql(given)
            if relation not in relations:
                raise CannotBeSaidError(f"its model {relation} is not a published dataset")
            columns = relations[relation].columns
            expression = calculated_field(
                sql,
                {column.name: column.title for column in columns},
                frozenset(column.name for column in columns if column.bi_type == "boolean"),
                row_field=columns[0].title,
            )
        except CannotBeSaidError as error:
            refused.append(Refused(given["name"], str(error)))
            continue
        meta = (given.get("config") or {}).get("meta") or {}
        metrics[given["name"]] = Metric(
            name=given["name"],
            title=given.get("label") or title(given["name"]),
            description=" ".join([given.get("description") or "", *meta.get("traps", ())]).replace("`", ""),
            synonyms=tuple(meta.get("synonyms", ())),
            additive=meta.get("additive", True),
            relation=relation,
            sql=sql,
            expression=expression,
        )
    return metrics, refused


class _Semantic:
    """The semantic models, looked up by the names of their measures and metrics."""

    def __init__(self, semantic_manifest: Mapping[str, Any]) -> None:
        self.models = {model["name"]: model for model in semantic_manifest.get("semantic_models", ())}
        self.measures = {
            measure["name"]: (model, measure)
            for model in self.models.values()
            for measure in model.get("measures") or ()
        }
        self.metrics = {metric["name"]: metric for metric in semantic_manifest.get("metrics", ())}

    def sql(self, metric: Mapping[str, Any]) -> tuple[str, str]:
        """(dataset, aggregate in SQL) of a metric."""
        kind, params = metric["type"], metric["type_params"]
        if kind == "simple":
            return self.simple(metric, params)
        if kind != "ratio":
            raise CannotBeSaidError(f"a metric of the kind {kind} spans times, other metrics or datasets")
        (over, numerator), (under, denominator) = (
            self.part(metric, params[part]) for part in ("numerator", "denominator")
        )
        if over != under:
            raise CannotBeSaidError(f"its parts lie in two datasets, {over} and {under}")
        # of two whole numbers PostgreSQL would give a whole one
        return over, f"({numerator})::numeric / nullif(({denominator}), 0)"

    def part(self, metric: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[str, str]:
        if part.get("offset_window") or part.get("offset_to_grain"):
            raise CannotBeSaidError("a part is taken from another time")
        named = self.metrics.get(part["name"])
        if named is None:
            raise CannotBeSaidError(f"there is no metric {part['name']}")
        if named["type"] != "simple":
            raise CannotBeSaidError(f"its part {part['name']} is of the kind {named['type']}")
        return self.simple(named, named["type_params"], part.get("filter"), metric.get("filter"))

    def simple(
        self, metric: Mapping[str, Any], params: Mapping[str, Any], *filters: Mapping[str, Any] | None
    ) -> tuple[str, str]:
        model, measure, own_filters = self.measure(params)
        if params.get("join_to_timespine") or (params.get("measure") or {}).get("join_to_timespine"):
            raise CannotBeSaidError("it is joined to a time spine")
        if measure.get("non_additive_dimension"):
            raise CannotBeSaidError("it does not add up over time")
        conditions = [
            self.condition(model, one)
            for group in (metric.get("filter"), *own_filters, *filters)
            for one in (group or {}).get("where_filters", ())
        ]
        aggregate = self.aggregate(measure)
        if conditions:
            aggregate += f" filter (where {' and '.join(f'({one})' for one in conditions)})"
        return model["node_relation"]["alias"], aggregate

    def measure(self, params: Mapping[str, Any]) -> tuple[Any, Any, tuple[Any, ...]]:
        """(model, what is aggregated and how, filters of it): a measure, or told in the metric itself."""
        if given := params.get("measure"):
            if given["name"] not in self.measures:
                raise CannotBeSaidError(f"there is no measure {given['name']}")
            return *self.measures[given["name"]], (given.get("filter"),)
        own = params.get("metric_aggregation_params")
        if not own:
            raise CannotBeSaidError("it names nothing to aggregate")
        model = self.models.get(own["semantic_model"])
        if model is None:
            raise CannotBeSaidError(f"there is no semantic model {own['semantic_model']}")
        return model, {**own, "expr": own.get("expr") or params.get("expr")}, ()

    @staticmethod
    def aggregate(measure: Mapping[str, Any]) -> str:
        kind = measure["agg"]
        expression = measure.get("expr") or measure.get("name")
        if kind == "percentile":
            params = measure.get("agg_params") or {}
            if params.get("use_discrete_percentile") or params.get("use_approximate_percentile"):
                raise CannotBeSaidError("only the continuous, exact percentile has a counterpart")
            return f"percentile_cont({params['percentile']}) within group (order by {expression})"
        if kind not in SQL_OF_AGGREGATION:
            raise CannotBeSaidError(f"the aggregation {kind} is not known")
        return SQL_OF_AGGREGATION[kind].format(expression)

    @staticmethod
    def condition(model: Mapping[str, Any], where: Mapping[str, Any]) -> str:
        """A filter's SQL, over the model's own columns."""
        own = {entity["name"] for entity in model.get("entities") or ()} | {model.get("primary_entity")}
        dimensions = {
            dimension["name"]: dimension.get("expr") or dimension["name"]
            for dimension in model.get("dimensions") or ()
        }

        def column(match: re.Match[str]) -> str:
            entity, _, name = match[1].rpartition("__")
            if entity not in own or name not in dimensions:
                raise CannotBeSaidError(f"it is filtered by {match[1]}, which is not in its own dataset")
            return f"({dimensions[name]})"

        template = where["where_sql_template"]
        said = re.sub(r"\{\{\s*Dimension\(\s*['\"]([^'\"]+)['\"]\s*\)\s*\}\}", column, template)
        if "{{" in said or "{%" in said:
            raise CannotBeSaidError(f"its filter `{template.strip()}` takes more than dimensions")
        return said
