"""Parameters held to botocore's model of QuickSight, further than botocore itself does.

Its own validator knows required members, types and lengths. It lets a wrong enum pass, a malformed map key, a
pattern that does not match, and a union with two members or none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from timeback_analytics.errors import TimebackError

# Structures of which exactly one member may be set; the model does not say which ones are.
UNIONS = frozenset(
    {
        "BarChartFieldWells",
        "ColumnSemanticProperty",
        "ColumnTag",
        "DataSourceParameters",
        "DimensionField",
        "Filter",
        "FilterOperation",
        "FilterScopeConfiguration",
        "LayoutConfiguration",
        "LineChartFieldWells",
        "LogicalTableSource",
        "MeasureField",
        "NumericalAggregationFunction",
        "NumericFormatConfiguration",
        "PhysicalTable",
        "SourceTable",
        "TableFieldWells",
        "TransformOperation",
        "TransformStep",
        "Visual",
        "FieldSortOptions",
        "DatasetParameter",
        "FilterControl",
    }
)
PYTHON_TYPES: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "double": (int, float),
    "float": (int, float),
    "structure": Mapping,
    "map": Mapping,
    "list": (list, tuple),
}


@cache
def service_model() -> Any:
    """botocore's model of the service.

    Raises:
        TimebackError: botocore is not installed, or too old to know QuickSight.
    """
    try:
        import botocore.session
    except ImportError as error:
        raise TimebackError(
            "This needs botocore, which the extra `quicksight` brings: "
            "pip install 'timeback-analytics[quicksight]'."
        ) from error
    return botocore.session.get_session().get_service_model("quicksight")


def model_faults(operation: str, parameters: Mapping[str, Any]) -> list[str]:
    """What is wrong with an operation's parameters, a line each with the place; empty when nothing is.

    Args:
        operation: such as CreateDataSet.
        parameters: its parameters.
    """
    shape = service_model().operation_model(operation).input_shape
    return list(_faults(shape, parameters, ""))


def _faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    where = place or "the parameters"
    kind = shape.type_name
    expected = PYTHON_TYPES.get(kind)
    if expected and (not isinstance(value, expected) or (kind != "boolean" and isinstance(value, bool))):
        yield f"{where}: {_shown(value)} is not of type {kind}"
        return
    if kind == "structure":
        yield from _structure_faults(shape, value, place)
    elif kind == "map":
        for key, inner in value.items():
            yield from _text_faults(shape.key, key, f"the key {key!r} of {where}")
            yield from _faults(shape.value, inner, f"{place}.{key}".lstrip("."))
        yield from _size_faults(shape, len(value), where, "entries")
    elif kind == "list":
        yield from _size_faults(shape, len(value), where, "entries")
        for index, inner in enumerate(value):
            yield from _faults(shape.member, inner, f"{place}[{index}]")
    elif kind == "string":
        yield from _text_faults(shape, value, where)
    elif kind in ("integer", "long", "double", "float"):
        yield from _size_faults(shape, value, where, "")


def _structure_faults(shape: Any, value: Mapping[str, Any], place: str) -> Iterator[str]:
    where = place or "the parameters"
    for name in shape.required_members:
        if name not in value:
            yield f"{where}: {name} is missing"
    for name, inner in value.items():
        if name not in shape.members:
            yield f"{where}: there is no {name} in {shape.name}"
        else:
            yield from _faults(shape.members[name], inner, f"{place}.{name}".lstrip("."))
    if (shape.name in UNIONS or getattr(shape, "is_tagged_union", False)) and len(value) != 1:
        told = " and ".join(sorted(value)) if value else "nothing"
        yield f"{where}: of {shape.name} exactly one member may be given, not {told}"


def _text_faults(shape: Any, value: str, where: str) -> Iterator[str]:
    yield from _size_faults(shape, len(value), where, "characters")
    if shape.enum and value not in shape.enum:
        yield f"{where}: {_shown(value)} is not one of {', '.join(shape.enum)}"
    pattern = _pattern(shape.metadata.get("pattern", ""))
    if pattern and not pattern.fullmatch(value):
        yield f"{where}: {_shown(value)} does not match {pattern.pattern}"


def _size_faults(shape: Any, size: float, where: str, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    told = f"{size} {unit}".strip()
    if least is not None and size < least:
        yield f"{where}: {told} where at least {least} are needed"
    if most is not None and size > most:
        yield f"{where}: {told} where at most {most} are allowed"


@cache
def _pattern(text: str) -> re.Pattern[str] | None:
    """The model's pattern, of which few are written for Java alone; those are left out."""
    if not text:
        return None
    try:
        return re.compile(text.removeprefix("^").removesuffix("$"))
    except re.error:
        return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
