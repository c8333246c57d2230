"""The topic: what the datasets and their fields mean, for questions in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from timeback_analytics.quicksight.data_sets import ORG_ID
from timeback_analytics.quicksight.metrics import Metric
from timeback_analytics.quicksight.names import COLUMN_DESCRIPTION, TOPIC_INSTRUCTIONS, cut, title
from timeback_analytics.quicksight.relations import Column, Relation
from timeback_analytics.quicksight.settings import Settings

TOPIC = "catalog"
DESCRIPTION = (
    "Students, what they do and learn, and the curriculum: the datasets of the TimeBack analytics catalog."
)


def topic(settings: Settings, relations: Mapping[str, Relation], metrics: Iterable[Metric]) -> dict[str, Any]:
    """The parameters of CreateTopic, or of CreateTopicV2 with the new data preparation.

    Deprecated datasets are left out: nobody should begin to use them.
    """
    kept = [relation for relation in relations.values() if not relation.deprecated]
    if settings.preparation == "new":
        details: dict[str, Any] = {
            "Name": settings.name("TimeBack catalog"),
            "Description": DESCRIPTION,
            "DataSets": [
                {
                    "DataSetArn": settings.arn("dataset", settings.id(relation.name)),
                    "DataSetName": settings.name(relation.title),
                }
                for relation in kept
            ],
            "DataSetRelations": relations_of_topic(settings, kept),
        }
    else:
        by_relation: dict[str, list[Metric]] = {}
        for metric in metrics:
            by_relation.setdefault(metric.relation, []).append(metric)
        details = {
            "Name": settings.name("TimeBack catalog"),
            "Description": DESCRIPTION,
            "UserExperienceVersion": "NEW_READER_EXPERIENCE",
            "DataSets": [
                _data_set(settings, relation, by_relation.get(relation.name, ())) for relation in kept
            ],
        }
    return {
        "AwsAccountId": settings.account,
        "TopicId": settings.id(TOPIC),
        "Topic": details,
        "CustomInstructions": {"CustomInstructionsString": instructions(kept)},
        "FolderArns": [settings.arn("folder", settings.id("catalog"))],
        "Tags": settings.all_tags,
    }


def relations_of_topic(settings: Settings, kept: list[Relation]) -> list[dict[str, Any]]:
    """The documented joins between data sets; a list of ids in one text joins nothing and is left out."""
    names = {relation.name for relation in kept}

    def end(relation: str, column: str) -> dict[str, Any]:
        return {
            "DataSetArn": settings.arn("dataset", settings.id(relation)),
            "ColumnNames": [title(column)],
        }

    return [
        {"Left": end(join.relation, join.column), "Right": end(join.to_relation, join.to_column)}
        for relation in kept
        for join in relation.joins
        if not join.is_list and join.to_relation in names
    ]


def instructions(kept: list[Relation]) -> str:
    """The documented joins in words, each key with the fields that lead to it."""
    titles = {relation.name: relation.title for relation in kept}
    led: dict[tuple[str, str], dict[str, list[str]]] = {}
    for relation in kept:
        for join in relation.joins:
            if not join.is_list and join.to_relation in titles:
                key = (titles[join.to_relation], title(join.to_column))
                led.setdefault(key, {}).setdefault(title(join.column), []).append(relation.title)
    lines = [
        f"{key} of {name} = "
        + "; ".join(f"{column} of {', '.join(sorted(of))}" for column, of in sorted(columns.items()))
        + "."
        for (name, key), columns in sorted(led.items())
    ]
    text = "Data sets are joined by these fields alone. " + " ".join(lines)
    return cut(text, TOPIC_INSTRUCTIONS)


def _data_set(settings: Settings, relation: Relation, metrics: Iterable[Metric]) -> dict[str, Any]:
    columns = [
        _column(column)
        for column in relation.columns
        if not (settings.row_rules and relation.org_column and column.name == "org_ids")
    ]
    if settings.row_rules and relation.org_column:
        columns.append(
            {"ColumnName": ORG_ID, "ColumnFriendlyName": "Organization", "ColumnDataRole": "DIMENSION"}
        )
    given: dict[str, Any] = {
        "DatasetArn": settings.arn("dataset", settings.id(relation.name)),
        "DatasetName": settings.name(relation.title),
        "DatasetDescription": relation.summary,
        "Columns": columns,
    }
    if any(column.name == "date" for column in relation.columns):
        given["DataAggregation"] = {
            "DatasetRowDateGranularity": "DAY",
            "DefaultDateColumnName": title("date"),
        }
    calculated = [
        {
            "CalculatedFieldName": metric.title,
            "CalculatedFieldDescription": cut(metric.description, COLUMN_DESCRIPTION),
            "Expression": metric.expression,
            "ColumnDataRole": "MEASURE",
            "IsIncludedInTopic": True,
            **({"CalculatedFieldSynonyms": list(metric.synonyms)} if metric.synonyms else {}),
            **({} if metric.additive else {"NonAdditive": True}),
        }
        for metric in metrics
    ]
    if calculated:
        given["CalculatedFields"] = calculated
    return given


def _column(column: Column) -> dict[str, Any]:
    given: dict[str, Any] = {
        "ColumnName": column.title,
        "ColumnFriendlyName": column.title,
        "ColumnDescription": column.description,
        "ColumnDataRole": "MEASURE" if column.is_measure else "DIMENSION",
        "Aggregation": column.aggregation,
        "IsIncludedInTopic": True,
    }
    if column.synonyms:
        given["ColumnSynonyms"] = list(column.synonyms)
    if column.input_type == "BIT":
        given["SemanticType"] = {
            "TypeName": "Boolean",
            "TruthyCellValue": "1",
            "TruthyCellValueSynonyms": ["true", "yes"],
            "FalseyCellValue": "0",
            "FalseyCellValueSynonyms": ["false", "no"],
        }
    if not column.is_measure and column.bi_type in ("integer", "bigint", "double precision"):
        given["NonAdditive"] = True
    return given
