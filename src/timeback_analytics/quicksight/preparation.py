"""The steps from tables to fields, written for the legacy data preparation and for the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timeback_analytics.quicksight.names import DATA_SET_INSTRUCTIONS, cut, table_key, title

if TYPE_CHECKING:
    from timeback_analytics.quicksight.data_sets import Added, DataSet, Field


def _joined_key(added: Added) -> str:
    """The name of the other side's key, until it is left out at the end; no field may have it."""
    return f"{title(added.to_relation)} {title(added.to_column)} (key)"


def _renames(one: DataSet, fields: tuple[Field, ...]) -> dict[str, dict[str, str]]:
    """table -> its column -> the field's name, where the two differ."""
    added_names = {name for added in one.added for name in added.columns.values()}
    renames = {
        one.base.name: {field.column: field.title for field in fields if field.column not in added_names}
    }
    for added in one.added:
        names = {column: title(name) for column, name in added.columns.items()}
        renames[added.to_relation] = {added.to_column: _joined_key(added)} | names
    return {
        table: {column: name for column, name in names.items() if column != name}
        for table, names in renames.items()
    }


def legacy_preparation(one: DataSet, fields: tuple[Field, ...]) -> dict[str, Any]:
    """A LogicalTableMap: each table with its names, joined one after the other, described and projected."""
    renames = _renames(one, fields)
    described = [
        {
            "TagColumnOperation": {
                "ColumnName": field.title,
                "Tags": [{"ColumnDescription": {"Text": field.description}}],
            }
        }
        for field in fields
        if field.description
    ]
    project = {"ProjectOperation": {"ProjectedColumns": [field.title for field in fields]}}
    tables: dict[str, Any] = {
        table_key(name): {
            "Alias": table_key(name),
            "Source": {"PhysicalTableId": table_key(name)},
            "DataTransforms": [
                {"RenameColumnOperation": {"ColumnName": column, "NewColumnName": new}}
                for column, new in renamed.items()
            ],
        }
        for name, renamed in renames.items()
    }
    last = table_key(one.base.name)
    for place, added in enumerate(one.added, start=1):
        key = f"joined-{place}"
        tables[key] = {
            "Alias": key,
            "Source": {
                "JoinInstruction": {
                    "LeftOperand": last,
                    "RightOperand": table_key(added.to_relation),
                    "RightJoinKeyProperties": {"UniqueKey": True},
                    "Type": "LEFT",
                    "OnClause": f"{{{title(added.by)}}} = {{{_joined_key(added)}}}",
                }
            },
        }
        last = key
    tables[last].setdefault("DataTransforms", []).extend([*described, project])
    return tables


def new_preparation(one: DataSet, fields: tuple[Field, ...], rules: dict[str, Any] | None) -> dict[str, Any]:
    """DataPrepConfiguration and SemanticModelConfiguration, with the rules about rows in the latter."""
    renames = _renames(one, fields)
    return {
        "DataPrepConfiguration": {
            "SourceTableMap": {table_key(name): {"PhysicalTableId": table_key(name)} for name in renames},
            "TransformStepMap": _steps(one, fields, renames),
            "DestinationTableMap": {
                "result": {"Alias": one.title[:64], "Source": {"TransformOperationId": "fields"}}
            },
        },
        "SemanticModelConfiguration": _semantic_model(one, fields, rules),
    }


def _steps(one: DataSet, fields: tuple[Field, ...], renames: dict[str, dict[str, str]]) -> dict[str, Any]:
    """A TransformStepMap: each table is read and its columns renamed, then they are joined and projected."""
    steps: dict[str, Any] = {}
    for name, renamed in renames.items():
        key = table_key(name)
        steps[f"read-{key}"[:64]] = {
            "ImportTableStep": {"Alias": f"read-{key}"[:64], "Source": {"SourceTableId": key}}
        }
        steps[f"name-{key}"[:64]] = {
            "RenameColumnsStep": {
                "Alias": f"name-{key}"[:64],
                "Source": {"TransformOperationId": f"read-{key}"[:64]},
                "RenameColumnOperations": [
                    {"ColumnName": column, "NewColumnName": new} for column, new in renamed.items()
                ],
            }
        }
    last = f"name-{table_key(one.base.name)}"[:64]
    for place, added in enumerate(one.added, start=1):
        steps[f"joined-{place}"] = {
            "JoinStep": {
                "Alias": f"joined-{place}",
                "LeftOperand": {"TransformOperationId": last},
                "RightOperand": {"TransformOperationId": f"name-{table_key(added.to_relation)}"[:64]},
                "Type": "LEFT",
                "OnClause": f"{{{title(added.by)}}} = {{{_joined_key(added)}}}",
            }
        }
        last = f"joined-{place}"
    steps["fields"] = {
        "ProjectStep": {
            "Alias": "fields",
            "Source": {"TransformOperationId": last},
            "ProjectedColumns": [field.title for field in fields],
        }
    }
    return steps


def _semantic_model(one: DataSet, fields: tuple[Field, ...], rules: dict[str, Any] | None) -> dict[str, Any]:
    """A SemanticModelConfiguration: what the table and its columns mean, and the rules about rows."""
    table: dict[str, Any] = {
        "Alias": one.title[:64],
        "DestinationTableId": "result",
        "SemanticMetadata": {
            "ColumnMetadata": [
                {
                    "ColumnNames": [field.title],
                    "ColumnProperties": [{"Description": {"Text": field.description}}],
                }
                for field in fields
                if field.description
            ]
        },
    }
    if rules:
        table["RowLevelPermissionConfiguration"] = {"RowLevelPermissionDataSet": rules}
    instructions = cut(" ".join(one.base.notes), DATA_SET_INSTRUCTIONS)
    return {
        "TableMap": {"table": table},
        "SemanticMetadata": [
            {
                "Description": {"Text": one.base.description},
                "CustomInstructions": [{"InlineCustomInstruction": {"InstructionText": instructions}}],
            }
        ],
    }
