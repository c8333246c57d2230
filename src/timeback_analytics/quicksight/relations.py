"""The published datasets as QuickSight sees them: columns in the types of the views for BI tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timeback_analytics.catalog.manifest import joins_of, published_models
from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.names import (
    COLUMN_DESCRIPTION,
    DATA_SET_DESCRIPTION,
    TOPIC_DESCRIPTION,
    cut,
    one_line,
    title,
)

# The types of the views for BI tools, where they differ from the published views' (arrays are text too).
BI_TYPES = {
    "uuid": "text",
    "citext": "text",
    "jsonb": "text",
    "numeric": "double precision",
    "timestamptz": "timestamp",
}
# QuickSight's names. Booleans come over JDBC as bits, and are 0 and 1 in calculations.
INPUT_TYPES = {
    "text": "STRING",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "double precision": "DECIMAL",
    "date": "DATETIME",
    "timestamp": "DATETIME",
    "boolean": "BIT",
}
# Units whose values can be added up; those of any other are averaged.
ADDED_UP = ("seconds", "experience points", "students", "questions", "classes", "trials", "choices")
# Whole numbers of these units say which or when, and are not amounts.
NO_AMOUNTS = ("month", "year", "position", "ordinal number")


@dataclass(frozen=True)
class Column:
    """One column of a dataset.

    Attributes:
        name: in the database.
        title: as a person reads it; the field's name in QuickSight.
        bi_type: PostgreSQL's type in the views for BI tools.
        is_list: whether the text is a list with commas.
        description: in at most 500 characters.
        is_measure: an amount; a dimension otherwise.
        aggregation: what QuickSight does with it where nobody says: SUM, AVERAGE, DISTINCT_COUNT or COUNT.
        synonyms: other words for it.
        folder: the folder of fields that it lies in, within its domain's.
    """

    name: str
    title: str
    bi_type: str
    is_list: bool
    description: str
    is_measure: bool
    aggregation: str
    synonyms: tuple[str, ...]
    folder: str

    @property
    def input_type(self) -> str:
        """QuickSight's type of the column as it is read."""
        return INPUT_TYPES[self.bi_type]

    @property
    def output_type(self) -> str:
        """QuickSight's type of the field: a boolean is a whole number."""
        return "INTEGER" if self.input_type == "BIT" else self.input_type


@dataclass(frozen=True)
class Join:
    """A documented join; `column` may be a list of ids, which no tool joins by itself."""

    relation: str
    column: str
    to_relation: str
    to_column: str
    is_list: bool


@dataclass(frozen=True)
class Relation:
    """One dataset.

    Attributes:
        description: in at most 500 characters.
        summary: in at most 256.
        notes: its grain, rules and traps, a sentence each.
        scope: whether a row belongs to organizations: by "org_ids", by the school that the column
            `org_column` names, or "" for rows that everybody may see.
        scope_setting: the setting that the scope is asked for with, which tells ROAR's organizations apart.
    """

    name: str
    title: str
    domain: str
    description: str
    summary: str
    summary_is_missing: bool
    notes: tuple[str, ...]
    grain: tuple[str, ...]
    columns: tuple[Column, ...]
    joins: tuple[Join, ...]
    org_column: str
    is_roar: bool
    deprecated: bool

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            TimebackError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise TimebackError(f"{self.name} has no column {name}.")


def read_relations(manifest: Mapping[str, Any]) -> dict[str, Relation]:
    """The datasets that dbt's manifest describes, by name.

    Raises:
        TimebackError: there is none, or a column is of a type that nothing is said of.
    """
    nodes = published_models(manifest)
    if not nodes:
        raise TimebackError("dbt's manifest has no published dataset. `dbt parse` writes it again.")
    types = {
        (node["name"], column["name"]): column["data_type"]
        for node in nodes
        for column in node["columns"].values()
    }
    return {node["name"]: _relation(node, types) for node in nodes}


def bi_type(data_type: str) -> str:
    """The type in the views for BI tools of a column with this type in the published view."""
    return "text" if data_type.endswith("[]") else BI_TYPES.get(data_type, data_type)


def _relation(node: Mapping[str, Any], types: Mapping[tuple[str, str], str]) -> Relation:
    meta = node["config"]["meta"]
    name = node["name"]
    columns = tuple(_column(name, column) for column in node["columns"].values())
    description = one_line(node["description"])
    joins = tuple(
        Join(name, column, target.split(".")[0], target.split(".")[1], types[name, column].endswith("[]"))
        for column, targets in joins_of(node).items()
        for target in targets
    )
    grain = tuple(meta.get("grain") or ())
    notes = (f"One row for each {' and '.join(grain)}." if grain else "There is no key: rows may repeat.",)
    names = {column.name for column in columns}
    org_column = "org_ids" if "org_ids" in names else ""
    if not org_column and meta.get("scope_when"):
        # students' rows that the documentation leaves open: here they belong to their school
        org_column = "school_id" if "school_id" in names else "school_ids"
    return Relation(
        name=name,
        title=title(name),
        domain=meta["domain"],
        description=cut(node["description"], DATA_SET_DESCRIPTION),
        summary=cut(meta.get("summary") or description, TOPIC_DESCRIPTION),
        summary_is_missing=len(description) > TOPIC_DESCRIPTION and not meta.get("summary"),
        notes=notes + tuple(one_line(note) for note in (*meta.get("rules", ()), *meta.get("traps", ()))),
        grain=grain,
        columns=columns,
        joins=joins,
        org_column=org_column,
        is_roar=meta.get("scope_setting") is not None,
        deprecated=bool(node.get("deprecation_date")),
    )


def _column(relation: str, column: Mapping[str, Any]) -> Column:
    meta = column["config"]["meta"]
    data_type = column["data_type"]
    type_of_face = bi_type(data_type)
    if type_of_face not in INPUT_TYPES:
        raise TimebackError(
            f"{relation}.{column['name']} is of type {data_type}; nothing says how QuickSight reads that."
        )
    name, unit = column["name"], meta.get("unit", "")
    is_id = name == "id" or name.endswith(("_id", "_ids")) or data_type == "uuid"
    is_measure = not is_id and _is_amount(type_of_face, unit)
    aggregation = meta.get("aggregation") or _aggregation(name, unit, is_measure, is_id)
    unit_told = f" In {unit}." if is_measure and unit and unit not in column["description"] else ""
    if is_id:
        folder = "Ids"
    elif INPUT_TYPES[type_of_face] == "DATETIME":
        folder = "Times"
    else:
        folder = "Amounts" if is_measure else "Attributes"
    return Column(
        name=name,
        title=title(name),
        bi_type=type_of_face,
        is_list=data_type.endswith("[]"),
        description=cut(column["description"] + unit_told, COLUMN_DESCRIPTION),
        is_measure=is_measure,
        aggregation=aggregation,
        synonyms=tuple(meta.get("synonyms", ())),
        folder=folder,
    )


def _is_amount(bi_type: str, unit: str) -> bool:
    if bi_type == "integer":
        return bool(unit) and unit not in NO_AMOUNTS
    return bi_type in ("bigint", "double precision")


def _aggregation(name: str, unit: str, is_measure: bool, is_id: bool) -> str:
    if not is_measure:
        return "DISTINCT_COUNT" if is_id else "COUNT"
    return "SUM" if unit in ADDED_UP and not name.startswith("avg_") else "AVERAGE"
