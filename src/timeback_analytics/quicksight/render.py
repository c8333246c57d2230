"""Everything that QuickSight gets, from dbt's manifest, its metrics and an installation's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timeback_analytics.quicksight import definitions, topics
from timeback_analytics.quicksight.dashboards import Dashboard, read_dashboards
from timeback_analytics.quicksight.data_sets import (
    DATA_SOURCE,
    RULES,
    DataSet,
    data_set,
    data_source,
    refresh_schedule,
    rules_data_set,
)
from timeback_analytics.quicksight.metrics import Metric, Refused, read_metrics
from timeback_analytics.quicksight.names import table_key, title
from timeback_analytics.quicksight.permissions import permissions
from timeback_analytics.quicksight.relations import Relation, read_relations
from timeback_analytics.quicksight.resources import KIND, Resource, in_order
from timeback_analytics.quicksight.settings import Settings


@dataclass(frozen=True)
class Description:
    """What the resources are made of, for every kind of reader.

    Attributes:
        relations: the datasets, by name.
        metrics: dbt's metrics that QuickSight can say.
        refused: those that it cannot.
        data_sets: every data set: one a dataset, and those of the dashboards.
        dashboards: the dashboards.
    """

    relations: Mapping[str, Relation]
    metrics: Mapping[str, Metric]
    refused: tuple[Refused, ...]
    data_sets: tuple[DataSet, ...]
    dashboards: tuple[Dashboard, ...]


def describe(manifest: Mapping[str, Any], semantic_manifest: Mapping[str, Any]) -> Description:
    """Read what there is to render.

    Raises:
        TimebackError: the manifest has no datasets, or a dashboard names what is not there.
    """
    relations = read_relations(manifest)
    metrics, refused = read_metrics(semantic_manifest, relations)
    own, dashboards = read_dashboards(relations, metrics)
    data_sets = [DataSet(relation.name, relation.title, relation) for relation in relations.values()]
    return Description(relations, metrics, tuple(refused), (*data_sets, *own), tuple(dashboards))


def render(description: Description, settings: Settings) -> list[Resource]:
    """The resources, in the order of their creation.

    Raises:
        TimebackError: the settings name no secret.
    """
    resources = [_folder(settings, "catalog", "TimeBack catalog")]
    resources += [
        _folder(settings, domain, title(domain), parent="catalog")
        for domain in sorted({relation.domain for relation in description.relations.values()})
    ]
    resources.append(Resource(KIND["data-sources"], table_key(DATA_SOURCE), data_source(settings)))
    sets = (
        [Resource(KIND["data-sets"], table_key(RULES), rules_data_set(settings))]
        if settings.row_rules
        else []
    )
    sets += [
        Resource(KIND["data-sets"], table_key(one.name), data_set(settings, description.relations, one))
        for one in description.data_sets
    ]
    resources += sets
    if settings.import_mode == "SPICE":
        resources += [
            Resource(
                KIND["refresh-schedules"],
                one.name,
                refresh_schedule(settings, one.parameters["DataSetId"]),
            )
            for one in sets
        ]
    resources.append(
        Resource(
            KIND["topics-v2" if settings.preparation == "new" else "topics"],
            topics.TOPIC,
            topics.topic(settings, description.relations, description.metrics.values()),
            tuple(permissions(settings, "topic")),
        )
    )
    for one in description.dashboards:
        name = table_key(one.name)
        resources.append(Resource(KIND["analyses"], name, definitions.analysis(settings, one)))
        resources.append(Resource(KIND["dashboards"], name, definitions.dashboard(settings, one)))
    return in_order(resources)


def _folder(settings: Settings, name: str, text: str, parent: str = "") -> Resource:
    given: dict[str, Any] = {
        "AwsAccountId": settings.account,
        "FolderId": settings.id(name),
        "Name": settings.name(text) if not parent else text,
        "FolderType": "SHARED",
        "Tags": settings.all_tags,
    }
    if parent:
        given["ParentFolderArn"] = settings.arn("folder", settings.id(parent))
    if granted := permissions(settings, "folder"):
        given["Permissions"] = granted
    return Resource(KIND["folders"], name, given)
