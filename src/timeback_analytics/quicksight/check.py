"""Rendered resources checked without an account: the service's model, and what no model says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from timeback_analytics.quicksight.data_sets import ORG_ID
from timeback_analytics.quicksight.expressions import LIMIT
from timeback_analytics.quicksight.model_check import model_faults
from timeback_analytics.quicksight.outputs import FieldProblemError, FieldTypes, output_fields, references
from timeback_analytics.quicksight.resources import Resource


@dataclass(frozen=True)
class Fault:
    """Something that the service would refuse, or that would leak or mislead.

    Attributes:
        resource: its label; data-sets/attempts.
        text: what is wrong.
    """

    resource: str
    text: str

    def __str__(self) -> str:
        return f"{self.resource}: {self.text}"


def check(resources: list[Resource]) -> list[Fault]:
    """All faults of the resources, in their order.

    Args:
        resources: everything that belongs together, as `render` or `read` gives it.
    """
    faults = []
    fields: dict[str, FieldTypes] = {}
    for resource in resources:
        if resource.kind.name == "data-sets":
            try:
                fields[resource.ids["DataSetId"]] = output_fields(resource.parameters)
            except FieldProblemError as error:
                faults.append(Fault(resource.label, str(error)))
            except (AttributeError, KeyError, TypeError, ValueError):
                # the model's check says what is missing or misshapen
                pass
    looked_up = _Looked(resources, fields)
    for resource in resources:
        texts = model_faults(resource.kind.create, resource.parameters)
        if not texts:
            texts = list(looked_up.faults(resource))
        faults += [Fault(resource.label, text) for text in texts]
    return faults


def texts_within(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, text) of every text in some parameters."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from texts_within(inner, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from texts_within(inner, f"{place}[{index}]")


class _Looked:
    """What resources name, looked up in all of them."""

    def __init__(self, resources: list[Resource], fields: Mapping[str, FieldTypes]) -> None:
        self.fields = fields
        self.by_arn = {
            f"{resource.kind.arn}/{next(iter(resource.ids.values()))}": resource
            for resource in resources
            if resource.kind.arn
        }
        self.rules = [
            resource
            for resource in resources
            if resource.kind.name == "data-sets" and resource.parameters.get("UseAs") == "RLS_RULES"
        ]

    def faults(self, resource: Resource) -> Iterator[str]:
        """What is wrong with a resource that keeps to the model."""
        yield from self.arns(resource)
        of_kind = {
            "data-sources": self.data_source,
            "data-sets": self.data_set,
            "refresh-schedules": self.refresh_schedule,
            "topics": self.topic,
            "topics-v2": self.topic_v2,
            "analyses": self.definition,
            "dashboards": self.definition,
        }
        if resource.kind.name in of_kind:
            yield from of_kind[resource.kind.name](resource.parameters)

    def arns(self, resource: Resource) -> Iterator[str]:
        """Every ARN of QuickSight's own resources leads to one that is there."""
        pattern = re.compile(
            r"arn:[^:]+:quicksight:[^:]*:\d+:((folder|datasource|dataset|topic|analysis)/.+)"
        )
        for place, text in texts_within(resource.parameters):
            match = pattern.fullmatch(text)
            if match and match[1] not in self.by_arn:
                yield f"{place}: there is no {match[2]} {match[1].partition('/')[2]} among the resources"

    def data_source(self, given: Mapping[str, Any]) -> Iterator[str]:
        if set(given.get("Credentials", {})) != {"SecretArn"}:
            yield "Credentials: a secret's ARN and nothing else may stand in a file"
        if given.get("SslProperties") != {"DisableSsl": False}:
            yield "SslProperties: the connection must use TLS, with DisableSsl false"

    def fields_of(self, arn: str) -> FieldTypes:
        return self.fields.get(arn.rpartition("/")[2], {})

    def data_set(self, given: Mapping[str, Any]) -> Iterator[str]:
        fields = self.fields.get(given["DataSetId"], {})
        for name, folder in (given.get("FieldFolders") or {}).items():
            for column in folder.get("columns", ()):
                if column not in fields:
                    yield f"FieldFolders.{name}: there is no field {column}"
        for key in (given.get("PerformanceConfiguration") or {}).get("UniqueKeys", ()):
            for column in key["ColumnNames"]:
                if column not in fields:
                    yield f"UniqueKeys: there is no field {column}"
        for key, table in given["PhysicalTableMap"].items():
            if "CustomSql" in table and not table["CustomSql"].get("Columns"):
                yield f"PhysicalTableMap.{key}: a query needs its Columns beside it"
        if not given.get("LogicalTableMap") and not given.get("DataPrepConfiguration"):
            yield "there is neither a LogicalTableMap nor a DataPrepConfiguration"
        if given.get("DataPrepConfiguration"):
            yield from self.described_fields(given, fields)
        yield from self.row_rules(given, fields)

    @staticmethod
    def described_fields(given: Mapping[str, Any], fields: FieldTypes) -> Iterator[str]:
        destinations = given["DataPrepConfiguration"]["DestinationTableMap"]
        for table in (given.get("SemanticModelConfiguration") or {}).get("TableMap", {}).values():
            if table["DestinationTableId"] not in destinations:
                yield f"SemanticModelConfiguration: there is no destination {table['DestinationTableId']}"
            for one in table.get("SemanticMetadata", {}).get("ColumnMetadata", ()):
                for column in one.get("ColumnNames", ()):
                    if column not in fields:
                        yield f"ColumnMetadata: there is no field {column}"

    def row_rules(self, given: Mapping[str, Any], fields: FieldTypes) -> Iterator[str]:
        """With rules about rows, no data set that has organizations may be without them."""
        if given.get("UseAs") == "RLS_RULES":
            if set(fields) != {"UserName", ORG_ID}:
                yield f"the rules have the fields {', '.join(sorted(fields))}, not UserName and {ORG_ID}"
            if given.get("RowLevelPermissionDataSet"):
                yield "rules about rows cannot have such rules themselves"
            return
        at_top = given.get("RowLevelPermissionDataSet")
        tables = (given.get("SemanticModelConfiguration") or {}).get("TableMap", {}).values()
        within = [
            one["RowLevelPermissionConfiguration"]["RowLevelPermissionDataSet"]
            for one in tables
            if "RowLevelPermissionDataSet" in one.get("RowLevelPermissionConfiguration", {})
        ]
        if at_top and given.get("DataPrepConfiguration"):
            yield "the new data preparation takes rules about rows in SemanticModelConfiguration alone"
        applied = [one for one in (at_top, *within) if one]
        if ORG_ID in fields and not applied:
            yield f"it has the field {ORG_ID} and no rules about rows: everybody would see everything"
        for one in applied:
            if one.get("Status") != "ENABLED" or one["PermissionPolicy"] != "GRANT_ACCESS":
                yield "its rules about rows are not enabled, or grant nothing"
            if ORG_ID not in fields:
                yield f"it has rules about rows, and no field {ORG_ID} that they could be about"
            rules = self.by_arn.get("dataset/" + one["Arn"].rpartition("/")[2])
            if rules is not None and rules.parameters.get("UseAs") != "RLS_RULES":
                yield f"{one['Arn']} is a data set like any other, without UseAs RLS_RULES"
        lists = {"Organization IDs", "org_ids"} & set(fields)
        if self.rules and lists:
            yield "its organizations are a list in one text, about which there can be no rules"

    def refresh_schedule(self, given: Mapping[str, Any]) -> Iterator[str]:
        resource = self.by_arn.get(f"dataset/{given['DataSetId']}")
        if resource is None:
            yield f"there is no data set {given['DataSetId']} among the resources"
        elif resource.parameters["ImportMode"] != "SPICE":
            yield f"the data set {given['DataSetId']} is not in SPICE, so nothing is refreshed"

    def topic(self, given: Mapping[str, Any]) -> Iterator[str]:
        for data_set in given["Topic"].get("DataSets", ()):
            fields = self.fields_of(data_set["DatasetArn"])
            named = [column["ColumnName"] for column in data_set.get("Columns", ())]
            if default := data_set.get("DataAggregation", {}).get("DefaultDateColumnName"):
                named.append(default)
            calculated = data_set.get("CalculatedFields", ())
            for one in calculated:
                named += references(one["Expression"])
                if one["CalculatedFieldName"] in fields:
                    yield f"{data_set['DatasetName']}: there are two fields {one['CalculatedFieldName']}"
            for name in named:
                if name not in fields:
                    yield f"{data_set.get('DatasetName')}: there is no field {name}"

    def topic_v2(self, given: Mapping[str, Any]) -> Iterator[str]:
        listed = {one["DataSetArn"] for one in given["Topic"]["DataSets"]}
        for relation in given["Topic"].get("DataSetRelations", ()):
            types = []
            for side in ("Left", "Right"):
                end = relation[side]
                if end["DataSetArn"] not in listed:
                    yield f"a relation leads to {end['DataSetArn']}, which is not in the topic"
                fields = self.fields_of(end["DataSetArn"])
                for column in end["ColumnNames"]:
                    if column not in fields:
                        yield f"a relation names {column}, which {end['DataSetArn']} has not"
                types.append([fields.get(column) for column in end["ColumnNames"]])
            if types[0] != types[1]:
                yield f"a relation joins fields of the types {types[0]} and {types[1]}"

    def definition(self, given: Mapping[str, Any]) -> Iterator[str]:
        definition = given["Definition"]
        declared = {
            one["Identifier"]: one["DataSetArn"] for one in definition["DataSetIdentifierDeclarations"]
        }
        fields = {name: set(self.fields_of(arn)) for name, arn in declared.items()}
        for one in definition.get("CalculatedFields", ()):
            of = one.get("DataSetIdentifier")
            if len(one["Expression"]) > LIMIT:
                yield f"the calculated field {one['Name']} has more than {LIMIT} characters"
            for name in references(one["Expression"]):
                if name not in fields.get(of, ()):
                    yield f"the calculated field {one['Name']} names {name}, which {of} has not"
            if one["Name"] in fields.get(of, ()):
                yield f"there are two fields {one['Name']} in {of}"
            fields.setdefault(of, set()).add(one["Name"])
        for place, one in _columns_within(definition):
            of = one.get("DataSetIdentifier")
            if of not in declared:
                yield f"{place}: no data set is declared as {of}"
            elif one["ColumnName"] not in fields[of]:
                yield f"{place}: {of} has no field {one['ColumnName']}"
        for sheet in definition.get("Sheets", ()):
            yield from _sheet_faults(sheet, definition)


def _columns_within(value: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        if "ColumnName" in value:
            yield place, value
        for name, inner in value.items():
            yield from _columns_within(inner, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _columns_within(inner, f"{place}[{index}]")


def _sheet_faults(sheet: Mapping[str, Any], definition: Mapping[str, Any]) -> Iterator[str]:
    """Ids that are there twice or lead nowhere."""
    visuals: list[str] = []
    for visual in sheet.get("Visuals", ()):
        (inner,) = visual.values()
        visuals.append(inner["VisualId"])
        used = [
            text for place, text in texts_within(inner) if place.endswith(".FieldId") and "FieldSort" in place
        ]
        own = [
            text
            for place, text in texts_within(inner)
            if place.endswith(".FieldId") and "FieldWells" in place
        ]
        yield from (
            f"visual {inner['VisualId']}: it is sorted by {one}, which it has not"
            for one in used
            if one not in own
        )
    yield from (f"there are two visuals {one}" for one in sorted(set(visuals)) if visuals.count(one) > 1)
    for layout in sheet.get("Layouts", ()):
        for place, text in texts_within(layout):
            if place.endswith(".ElementId") and text not in visuals:
                yield f"the layout has a place for {text}, which there is not"
    for group in definition.get("FilterGroups", ()):
        scopes = (
            group["ScopeConfiguration"].get("SelectedSheets", {}).get("SheetVisualScopingConfigurations", ())
        )
        for scope in scopes:
            if scope["SheetId"] == sheet["SheetId"]:
                missing = sorted(set(scope.get("VisualIds", ())) - set(visuals))
                yield from (
                    f"the filter {group['FilterGroupId']} is on {one}, which there is not" for one in missing
                )
