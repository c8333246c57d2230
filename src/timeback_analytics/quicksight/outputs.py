"""The fields that result from a data set's parameters, computed step by step as QuickSight does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FieldTypes = dict[str, str]
"""field -> STRING, INTEGER, DECIMAL or DATETIME"""

REFERENCE = re.compile(r"\{([^{}]*)\}")


class FieldProblemError(Exception):
    """A step names a field that is not there, or makes one twice."""


def output_fields(parameters: Mapping[str, Any]) -> FieldTypes:
    """The fields of a data set by the parameters of its creation, or by its description.

    Raises:
        FieldProblemError: a step names a field that is not there, or makes one twice.
    """
    tables = {key: _input(table) for key, table in (parameters.get("PhysicalTableMap") or {}).items()}
    if preparation := parameters.get("DataPrepConfiguration"):
        return _prepared(preparation, tables)
    logical = parameters.get("LogicalTableMap") or {}
    if not logical:
        return {name: kind for fields in tables.values() for name, kind in fields.items()}
    operands = {
        source["JoinInstruction"][side]
        for table in logical.values()
        if "JoinInstruction" in (source := table["Source"])
        for side in ("LeftOperand", "RightOperand")
        if source["JoinInstruction"].get(side)
    }
    roots = [key for key in logical if key not in operands]
    if len(roots) != 1:
        raise FieldProblemError(f"the logical tables {', '.join(sorted(roots))} are not joined into one")
    reached: set[str] = set()
    fields = _logical(roots[0], logical, tables, reached)
    if apart := sorted(logical.keys() - reached):
        raise FieldProblemError(f"the logical tables {', '.join(apart)} are not joined into one")
    return fields


def references(expression: str) -> list[str]:
    """The fields that an expression names."""
    return REFERENCE.findall(re.sub(r"'(?:\\.|[^'\\])*'", "", expression))


def _input(table: Mapping[str, Any]) -> FieldTypes:
    (inner,) = table.values()
    fields: FieldTypes = {}
    for column in inner.get("InputColumns") or inner.get("Columns") or ():
        if column["Name"] in fields:
            raise FieldProblemError(f"the column {column['Name']} is read twice")
        kind = column["Type"]
        fields[column["Name"]] = "INTEGER" if kind in ("BIT", "BOOLEAN") else kind
    return fields


def _take(fields: FieldTypes, name: str, where: str) -> str:
    if name not in fields:
        raise FieldProblemError(f"{where} names {name}, which is not there")
    return fields[name]


def _rename(fields: FieldTypes, renames: list[Mapping[str, str]], where: str) -> FieldTypes:
    for one in renames:
        _take(fields, one["ColumnName"], where)
        if one["NewColumnName"] in fields:
            raise FieldProblemError(f"{where} makes a second {one['NewColumnName']}")
        fields = {
            one["NewColumnName"] if name == one["ColumnName"] else name: kind for name, kind in fields.items()
        }
    return fields


def _join(left: FieldTypes, right: FieldTypes, on_clause: str, where: str) -> FieldTypes:
    if both := sorted(set(left) & set(right)):
        raise FieldProblemError(f"{where}: {', '.join(both)} is on both sides")
    joined = left | right
    types = {_take(joined, name, f"{where}'s on-clause") for name in references(on_clause)}
    if len(types) != 1:
        raise FieldProblemError(f"{where} joins fields of the types {', '.join(sorted(types))}")
    return joined


def _logical(
    key: str, logical: Mapping[str, Any], tables: Mapping[str, FieldTypes], reached: set[str]
) -> FieldTypes:
    if key in reached or key not in logical:
        raise FieldProblemError(f"there is no logical table {key}, or it is joined twice")
    reached.add(key)
    table = logical[key]
    source = table["Source"]
    if "JoinInstruction" in source:
        join = source["JoinInstruction"]
        left, right = (
            _logical(join[side], logical, tables, reached) for side in ("LeftOperand", "RightOperand")
        )
        fields = _join(left, right, join["OnClause"], key)
    elif source.get("PhysicalTableId") in tables:
        fields = dict(tables[source["PhysicalTableId"]])
    else:
        raise FieldProblemError(f"the logical table {key} reads no physical table that there is")
    for transform in table.get("DataTransforms") or ():
        ((name, given),) = transform.items()
        where = f"{name} of {key}"
        if name == "RenameColumnOperation":
            fields = _rename(fields, [given], where)
        elif name == "ProjectOperation":
            fields = {column: _take(fields, column, where) for column in given["ProjectedColumns"]}
        elif name == "TagColumnOperation":
            _take(fields, given["ColumnName"], where)
        elif name == "CastColumnTypeOperation":
            _take(fields, given["ColumnName"], where)
            fields[given["ColumnName"]] = given["NewColumnType"]
        elif name == "CreateColumnsOperation":
            for column in given["Columns"]:
                for reference in references(column["Expression"]):
                    _take(fields, reference, where)
                fields[column["ColumnName"]] = "DECIMAL"
    return fields


def _prepared(preparation: Mapping[str, Any], tables: Mapping[str, FieldTypes]) -> FieldTypes:
    steps = preparation["TransformStepMap"]
    sources = preparation["SourceTableMap"]

    def after(key: str, seen: tuple[str, ...]) -> FieldTypes:
        if key in seen or key not in steps:
            raise FieldProblemError(f"there is no step {key}, or it follows itself")
        ((name, step),) = steps[key].items()
        where = f"{name} {key}"
        if name == "ImportTableStep":
            source = sources.get(step["Source"]["SourceTableId"], {}).get("PhysicalTableId")
            if source not in tables:
                raise FieldProblemError(f"{where} reads no physical table that there is")
            return dict(tables[source])
        if name == "JoinStep":
            left, right = (
                after(step[side]["TransformOperationId"], (*seen, key))
                for side in ("LeftOperand", "RightOperand")
            )
            return _join(left, right, step["OnClause"], where)
        fields = after(step["Source"]["TransformOperationId"], (*seen, key))
        if name == "RenameColumnsStep":
            return _rename(fields, step["RenameColumnOperations"], where)
        if name == "ProjectStep":
            return {column: _take(fields, column, where) for column in step["ProjectedColumns"]}
        return fields

    (destination,) = preparation["DestinationTableMap"].values()
    return after(destination["Source"]["TransformOperationId"], ())
