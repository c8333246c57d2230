"""What the project promises of its datasets, as rules with the SQL that finds the rows which break them.

They are those of the dbt YAML, read from dbt's manifest: columns, types, generic tests with their severity;
beside them that a scoped dataset shows rows where there are any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from timeback_analytics.catalog.manifest import may_be_scoped, models_behind, published_models
from timeback_analytics.catalog.names import internal_schema

JOIN_TESTS = ("relationships", "resolves_in_one_of", "array_elements_resolve")


@dataclass(frozen=True)
class Rule:
    """One promise about a dataset."""

    dataset: str
    column: str | None
    name: str
    """In a word or two, for example `never null`."""
    text: str
    """What is promised, for a person."""
    is_warning: bool
    broken: str
    """SQL for the keys of the rows that break it; no row when it holds."""
    expectation: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Great Expectations' own expectation and its arguments; none stands for the query `broken`."""
    is_join: bool = False
    is_guard: bool = False
    """Whether it tells that the dataset shows rows."""


@dataclass(frozen=True)
class Suite:
    """A dataset and its rules."""

    dataset: str
    columns: Sequence[str]
    rules: Sequence[Rule]
    unchecked: Sequence[str] = ()
    """Names of dbt tests on the dataset that have no counterpart here."""


def suites(manifest: Mapping[str, Any], schema: str, joins: str = "documented") -> list[Suite]:
    """The rules of every published dataset, by name.

    Args:
        manifest: dbt's manifest.
        schema: the published schema; the models behind are in the one of that name and `_internal`.
        joins: whether an id that leads nowhere is an error: as the YAML says (`documented`), never
            (`warn`), always (`fail`), or not looked at (`skip`).
    """
    tests: dict[str, list[Mapping[str, Any]]] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node") and node.get("test_metadata"):
            tests.setdefault(node["attached_node"], []).append(node)
    made = []
    for node in published_models(manifest):
        writer = _RuleWriter(node, schema)
        rules = [*writer.contract(), *writer.guard(manifest)]
        unchecked = []
        for test in sorted(tests.get(node["unique_id"], ()), key=lambda test: test["name"]):
            rule = writer.of_test(test)
            if rule is None:
                unchecked.append(test["name"])
            elif not (rule.is_join and joins == "skip"):
                rules.append(_with_severity(rule, joins) if rule.is_join else rule)
        made.append(Suite(node["name"], list(node["columns"]), rules, unchecked))
    return made


def _with_severity(rule: Rule, joins: str) -> Rule:
    is_warning = {"warn": True, "fail": False}.get(joins, rule.is_warning)
    return Rule(**{**rule.__dict__, "is_warning": is_warning})


class _RuleWriter:
    """Writes the rules of one dataset."""

    def __init__(self, node: Mapping[str, Any], schema: str) -> None:
        self._node = node
        self._name = node["name"]
        self._schema = schema
        self._columns = node["columns"]
        self._keys = self._key_columns()

    def _key_columns(self) -> list[str]:
        """What names a row: the grain, or else ids and times. Never a text that somebody wrote."""
        grain = self._node["config"]["meta"].get("grain")
        return grain or [
            name
            for name, column in self._columns.items()
            if name == "id" or name.endswith("_id") or column["data_type"] in ("uuid", "date", "timestamptz")
        ]

    def _relation(self, name: str) -> str:
        return f"{quoted(self._schema)}.{quoted(name)}"

    def _rule(self, name: str, text: str, broken: str, column: str | None = None, **others: Any) -> Rule:
        return Rule(self._name, column, name, text, others.pop("is_warning", False), broken, **others)

    def _rows(self, condition: str, *more: str, where: str | None = None) -> str:
        """The keys of the rows that meet a condition, and these columns beside them."""
        names = dict.fromkeys([*self._keys, *more])
        conditions = f"({condition})" + (f" and ({where})" if where else "")
        columns = ", ".join(f"dataset.{quoted(name)}" for name in names)
        return f"select {columns} from {self._relation(self._name)} as dataset where {conditions}"

    def contract(self) -> Iterable[Rule]:
        """Columns, their order and their types."""
        names = list(self._columns)
        relation = f"{_literal(self._relation(self._name))}::regclass"
        rows = [
            f"({place}, {_literal(name)}, {_literal(column['data_type'])})"
            for place, (name, column) in enumerate(self._columns.items(), 1)
        ]
        documented = f"(values {', '.join(rows)}) as documented (place, name, data_type)"
        yield self._rule(
            "columns",
            "the documented columns, in their order: " + ", ".join(names),
            "select place, documented.name as documented, found.name as found"
            " from (select row_number() over (order by attnum)::integer as place, attname as name"
            f" from pg_attribute where attrelid = {relation} and attnum > 0 and not attisdropped) as found"
            f" full join {documented} using (place) where documented.name is distinct from found.name",
            expectation={"type": "ExpectTableColumnsToMatchOrderedList", "column_list": names},
        )
        yield self._rule(
            "types",
            "the documented types (text stands in for citext)",
            "select name, data_type as documented, format_type(atttypid, null) as found"
            f" from {documented} join pg_attribute on attname = name"
            f" where attrelid = {relation} and atttypid is distinct from to_regtype(data_type)"
            " and not (data_type = 'citext' and atttypid in (select oid from pg_type where typname"
            " in ('citext', 'text')))",
        )

    def guard(self, manifest: Mapping[str, Any]) -> Iterable[Rule]:
        """That a scoped dataset shows rows where the model behind it has some."""
        if not may_be_scoped(self._node):
            return
        for model in models_behind(self._node, manifest):
            behind = f"{quoted(internal_schema(self._schema))}.{quoted(model['alias'])}"
            yield self._rule(
                "shows rows",
                f"shows rows where {model['name']}, whose rows it scopes, has some",
                "select 'none is shown' as rows"
                f" where not exists (select from {self._relation(self._name)})"
                f" and exists (select from {behind})",
                is_guard=True,
            )

    def of_test(self, test: Mapping[str, Any]) -> Rule | None:
        """The rule of one of dbt's generic tests; None for a test that is not known here."""
        write = _TESTS.get(test["test_metadata"]["name"])
        if write is None:
            return None
        arguments = test["test_metadata"]["kwargs"]
        rule = write(self, arguments, test["config"].get("where"))
        return Rule(**{**rule.__dict__, "is_warning": test["config"]["severity"].lower() == "warn"})

    def not_null(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        column = arguments["column_name"]
        return self._rule(
            "never null",
            "never null" + _only(where),
            self._rows(f"dataset.{quoted(column)} is null", where=where),
            column,
            expectation=_unless(where, type="ExpectColumnValuesToNotBeNull", column=column),
        )

    def unique(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        column = arguments["column_name"]
        name = quoted(column)
        condition = f"{name} is not null" + (f" and ({where})" if where else "")
        relation = self._relation(self._name)
        if column in self._keys:
            broken = (
                f"select {name}, count(*) as rows from {relation} as dataset where {condition}"
                f" group by {name} having count(*) > 1"
            )
        else:
            # the value may be an address: the keys of the rows that share it say enough
            keys = ", ".join(map(quoted, self._keys))
            broken = (
                f"select {keys}, rows from (select {keys}, count(*) over (partition by {name}) as rows"
                f" from {relation} as dataset where {condition}) as counted where rows > 1"
            )
        return self._rule(
            "unique",
            "no value twice" + _only(where),
            broken,
            column,
            expectation=_unless(where, type="ExpectColumnValuesToBeUnique", column=column),
        )

    def unique_grain(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        # Great Expectations' own rule for several columns passes over keys with a null in them
        names = ", ".join(map(quoted, arguments["columns"]))
        return self._rule(
            "unique grain",
            f"one row for each {', '.join(arguments['columns'])}" + _only(where),
            f"select {names}, count(*) as rows from {self._relation(self._name)} as dataset"
            f" where {where or 'true'} group by {names} having count(*) > 1",
        )

    def accepted_values(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        column, values = arguments["column_name"], arguments["values"]
        listed = ", ".join(map(_literal, values))
        return self._rule(
            "allowed values",
            "one of " + ", ".join(map(str, values)) + _only(where),
            self._rows(f"dataset.{quoted(column)} not in ({listed})", column, where=where),
            column,
            expectation=_unless(where, type="ExpectColumnValuesToBeInSet", column=column, value_set=values),
        )

    def expression_holds(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        expression = " ".join(arguments["expression"].split())
        return self._rule(
            "invariant", expression + _only(where), self._rows(f"not ({expression})", where=where)
        )

    def sorted_distinct_array(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        column = f"dataset.{quoted(arguments['column_name'])}"
        return self._rule(
            "sorted array",
            "never null, each element once and in order" + _only(where),
            self._rows(
                f"{column} is distinct from array(select distinct element"
                f" from unnest({column}) as listed (element) where element is not null order by element)",
                where=where,
            ),
            arguments["column_name"],
        )

    def leads_somewhere(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        column = arguments["column_name"]
        to = arguments["to"]
        targets = [_name_in_ref(one) for one in ([to] if isinstance(to, str) else to)]
        key = quoted(arguments["field"])
        is_array = self._columns[column]["data_type"].endswith("[]")
        value = "element" if is_array else f"dataset.{quoted(column)}"
        nowhere = " and ".join(
            f"not exists (select from {self._relation(name)} as target where target.{key} = {value})"
            for name in targets
        )
        if is_array:
            broken = self._rows(
                f"exists (select from unnest(dataset.{quoted(column)}) as listed (element) where {nowhere})",
                column,
                where=where,
            )
        else:
            broken = self._rows(f"{value} is not null and {nowhere}", column, where=where)
        return self._rule(
            "join",
            "leads to " + " or ".join(f"{name}.{arguments['field']}" for name in targets) + _only(where),
            broken,
            column,
            is_join=True,
        )


_TESTS: dict[str, Callable[[_RuleWriter, Mapping[str, Any], str | None], Rule]] = {
    "not_null": _RuleWriter.not_null,
    "unique": _RuleWriter.unique,
    "unique_grain": _RuleWriter.unique_grain,
    "accepted_values": _RuleWriter.accepted_values,
    "expression_holds": _RuleWriter.expression_holds,
    "sorted_distinct_array": _RuleWriter.sorted_distinct_array,
    **dict.fromkeys(JOIN_TESTS, _RuleWriter.leads_somewhere),
}


def _only(where: str | None) -> str:
    return f", where {where}" if where else ""


def _unless(where: str | None, **expectation: Any) -> dict[str, Any]:
    """Great Expectations' own expectation, which knows no SQL condition."""
    return {} if where else expectation


def _name_in_ref(reference: str) -> str:
    """The model in a `ref('model')` of the YAML."""
    found = re.search(r"ref\(\s*['\"](\w+)", reference)
    if found is None:
        raise ValueError(f"{reference} is not a ref('model')")
    return found[1]


def quoted(name: str) -> str:
    """A name as SQL writes it, in quotes."""
    return sql.Identifier(name).as_string(None)


def _literal(value: Any) -> str:
    return sql.Literal(value).as_string(None)
