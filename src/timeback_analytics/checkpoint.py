"""What the project promises of its datasets, checked on a live database with Great Expectations.

The rules are those of the dbt YAML, read from dbt's manifest: columns, types, generic tests with their
severity; beside them that a scoped dataset shows rows where there are any. Great Expectations runs one
suite a dataset in an ephemeral context; for a rule that fails the keys of some rows are fetched, and no
other of their columns. The session is read-only, so nothing is written.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from timeback_analytics.catalog.names import internal_schema
from timeback_analytics.errors import MissingDependencyError, TimebackError
from timeback_analytics.lineage import published_models
from timeback_analytics.queries import first_row

SAMPLE_SIZE = 5
"""How many of the rows that break a rule are named."""

SETTING = "app.allowed_org_ids"
ROAR_SETTING = "app.allowed_roar_org_ids"
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
class Outcome:
    """What came of a rule."""

    rule: Rule
    passed: bool
    broken_rows: int | None = None
    sample: tuple[Mapping[str, str | None], ...] = ()
    """The keys of some of the rows that break it, as text."""
    error: str | None = None
    """What the database says, when the rule could not be checked."""

    @property
    def failed(self) -> bool:
        """Whether the whole check fails with it; a warning does not, unless it could not be checked."""
        return not self.passed and (self.error is not None or not self.rule.is_warning)


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


def may_be_scoped(dataset: Mapping[str, Any]) -> bool:
    """Whether a dataset's rows depend on who asks: always, or where a dbt var says so.

    Args:
        dataset: its node in dbt's manifest.
    """
    return not {"scope", "scope_when"}.isdisjoint(dataset["config"]["meta"])


def models_behind(dataset: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The models whose rows a scoped dataset scopes, one as a rule.

    They are those that it reads beside the models that say who is asking and who belongs where, whose
    config.meta has decides_scope. The macro models_behind_scoped_datasets is the same inside dbt.

    Args:
        dataset: the dataset's node in dbt's manifest.
        manifest: dbt's manifest.

    Returns:
        Nodes of the manifest.
    """
    read = (manifest["nodes"][unique_id] for unique_id in dataset["depends_on"]["nodes"])
    return [model for model in read if not model["config"]["meta"].get("decides_scope")]


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
        return f"{_quoted(self._schema)}.{_quoted(name)}"

    def _rule(self, name: str, text: str, broken: str, column: str | None = None, **others: Any) -> Rule:
        return Rule(self._name, column, name, text, others.pop("is_warning", False), broken, **others)

    def _rows(self, condition: str, *more: str, where: str | None = None) -> str:
        """The keys of the rows that meet a condition, and these columns beside them."""
        names = dict.fromkeys([*self._keys, *more])
        conditions = f"({condition})" + (f" and ({where})" if where else "")
        columns = ", ".join(f"dataset.{_quoted(name)}" for name in names)
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
            " and not (data_type = 'citext' and atttypid = 'text'::regtype)",
        )

    def guard(self, manifest: Mapping[str, Any]) -> Iterable[Rule]:
        """That a scoped dataset shows rows where the model behind it has some."""
        if not may_be_scoped(self._node):
            return
        for model in models_behind(self._node, manifest):
            behind = f"{_quoted(self._schema + '_internal')}.{_quoted(model['alias'])}"
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
            self._rows(f"dataset.{_quoted(column)} is null", where=where),
            column,
            expectation=_unless(where, type="ExpectColumnValuesToNotBeNull", column=column),
        )

    def unique(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        column = arguments["column_name"]
        name = _quoted(column)
        condition = f"{name} is not null" + (f" and ({where})" if where else "")
        relation = self._relation(self._name)
        if column in self._keys:
            broken = (
                f"select {name}, count(*) as rows from {relation} as dataset where {condition}"
                f" group by {name} having count(*) > 1"
            )
        else:
            # the value may be an address: the keys of the rows that share it say enough
            keys = ", ".join(map(_quoted, self._keys))
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
        names = ", ".join(map(_quoted, arguments["columns"]))
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
            self._rows(f"dataset.{_quoted(column)} not in ({listed})", column, where=where),
            column,
            expectation=_unless(where, type="ExpectColumnValuesToBeInSet", column=column, value_set=values),
        )

    def expression_holds(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        expression = " ".join(arguments["expression"].split())
        return self._rule(
            "invariant", expression + _only(where), self._rows(f"not ({expression})", where=where)
        )

    def sorted_distinct_array(self, arguments: Mapping[str, Any], where: str | None) -> Rule:
        column = f"dataset.{_quoted(arguments['column_name'])}"
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
        key = _quoted(arguments["field"])
        is_array = self._columns[column]["data_type"].endswith("[]")
        value = "element" if is_array else f"dataset.{_quoted(column)}"
        nowhere = " and ".join(
            f"not exists (select from {self._relation(name)} as target where target.{key} = {value})"
            for name in targets
        )
        if is_array:
            broken = self._rows(
                f"exists (select from unnest(dataset.{_quoted(column)}) as listed (element) where {nowhere})",
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
        raise ValueError(f"{reference} is no ref('model')")
    return found[1]


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


def _literal(value: Any) -> str:
    return sql.Literal(value).as_string(None)


class Checkpoint:
    """A run of suites against a database, in sessions that cannot write."""

    def __init__(self, dsn: str, schema: str, scope: str, roar_scope: str | None = None) -> None:
        """
        Args:
            dsn: libpq's connection string.
            schema: the published schema.
            scope: what the scope setting is set to, `*` for everybody.
            roar_scope: the same for the datasets of ROAR; None: everybody where `scope` is, else nobody.

        Raises:
            TimebackError: the database cannot be reached, has no such schema, or refuses the scope;
                or Great Expectations is not installed.
        """
        self._gx = _great_expectations()
        self._schema = schema
        self._scope = scope
        if roar_scope is None:
            roar_scope = "*" if scope.strip() == "*" else ""
        settings = {
            SETTING: scope,
            ROAR_SETTING: roar_scope,
            "default_transaction_read_only": "on",
            # where Great Expectations looks for a dataset; our own queries name the schema
            "search_path": _quoted(schema),
        }
        arguments: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(dsn)
        options = [f"-c {name}={_option(value)}" for name, value in settings.items()]
        arguments["options"] = " ".join(filter(None, (arguments.get("options"), *options)))
        arguments["application_name"] = "timeback check"
        try:
            self._conn = psycopg.connect(**arguments, autocommit=True)
        except psycopg.OperationalError as error:
            raise TimebackError(f"The database to check cannot be reached: {error}") from error
        try:
            self._views = self._published()
            self._sees_behind = self._may_look_behind()
            self._context, self._source = self._great_expectations_context(arguments)
        except BaseException:
            self._conn.close()
            raise

    def _published(self) -> set[str]:
        """The names of the relations in the published schema."""
        found = self._conn.execute(
            "select relname from pg_class where relnamespace = to_regnamespace(%s)", [_quoted(self._schema)]
        ).fetchall()
        if not found:
            raise TimebackError(
                f"Database {self._conn.info.dbname} has no datasets in schema {self._schema}. Deploy them "
                "with `dbt run`, or name another schema with --schema."
            )
        return {name for (name,) in found}

    def _may_look_behind(self) -> bool:
        """Whether the models behind the datasets may be read."""
        (may,) = first_row(
            self._conn.execute(
                "select coalesce(has_schema_privilege(to_regnamespace(%s)::oid, 'usage'), false)",
                [_quoted(internal_schema(self._schema))],
            )
        )
        return may

    def _great_expectations_context(self, arguments: Mapping[str, Any]) -> tuple[Any, Any]:
        """A context that leaves nothing behind, and its data source."""
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = self._gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        with warnings.catch_warnings():
            # the data source that it recommends takes no path of a socket
            warnings.simplefilter("ignore")
            source = context.data_sources.add_sql(
                "catalog", connection_string="postgresql+psycopg2://", kwargs={"connect_args": arguments}
            )
        return context, source

    def about(self) -> dict[str, str]:
        """What is checked, and as whom."""
        return {
            "database": self._conn.info.dbname,
            "schema": self._schema,
            "role": self._conn.info.user,
            "scope": self._scope,
        }

    def close(self) -> None:
        """Let go of the connections."""
        self._conn.close()
        self._source.get_engine().dispose()
        self._source.get_execution_engine().engine.dispose()

    def run(self, suite: Suite) -> list[Outcome]:
        """Check one dataset's rules.

        Raises:
            TimebackError: the scope is no list of organizations, or the caller may not ask for everybody.
        """
        if suite.dataset not in self._views:
            return [
                Outcome(
                    rule, passed=False, error=f"{self._schema}.{suite.dataset} is not there: run `dbt run`"
                )
                for rule in suite.rules[:1]
            ]
        rules = [self._as_far_as_seen(rule) for rule in suite.rules]
        self._refuse_a_scope_that_is_none(suite)
        try:
            holds, errors = self._validate(suite, rules)
        except Exception as error:  # whatever it is that Great Expectations or its driver raises
            return [Outcome(rule, passed=False, error=_first_line(error)) for rule in rules]
        return [self._outcome(rule, holds[place], errors[place]) for place, rule in enumerate(rules)]

    def _as_far_as_seen(self, rule: Rule) -> Rule:
        """What an empty dataset means is known under `*` alone, and where the model behind may be read."""
        if not rule.is_guard or (self._sees_behind and self._scope.strip() == "*"):
            return rule
        relation = f"{_quoted(self._schema)}.{_quoted(rule.dataset)}"
        return Rule(
            rule.dataset,
            None,
            rule.name,
            "shows rows",
            True,
            f"select 'none is shown' as rows where not exists (select from {relation})",
            is_guard=True,
        )

    def _refuse_a_scope_that_is_none(self, suite: Suite) -> None:
        query = sql.SQL("select from {} limit 1").format(sql.Identifier(self._schema, suite.dataset))
        try:
            self._conn.execute(query)
        except (psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege) as error:
            message = error.diag.message_primary or ""
            if SETTING in message or ROAR_SETTING in message:
                raise TimebackError(
                    f"{error.diag.message_primary}. {error.diag.message_hint or ''}\n"
                    "Give another --scope or --roar-scope, or connect as a role that may ask for everybody."
                ) from error
        except psycopg.Error:
            pass  # each rule will tell

    def _validate(self, suite: Suite, rules: Sequence[Rule]) -> tuple[list[bool], list[str | None]]:
        """Whether each rule holds, and what went wrong with it, as Great Expectations finds."""
        gx = self._gx
        asset = self._source.add_table_asset(suite.dataset, table_name=suite.dataset)
        batch = asset.add_batch_definition_whole_table("all")
        # it prints a remark on each query that does not go by its own name for the dataset, as ours do
        with contextlib.redirect_stdout(io.StringIO()):
            expectations = [self._expectation(rule, place) for place, rule in enumerate(rules)]
            definition = self._context.validation_definitions.add(
                gx.ValidationDefinition(
                    name=suite.dataset,
                    data=batch,
                    suite=self._context.suites.add(
                        gx.ExpectationSuite(name=suite.dataset, expectations=expectations)
                    ),
                )
            )
            # counts alone: rows are fetched where a rule fails, and then no more than their keys
            results = definition.run(result_format="BOOLEAN_ONLY").results
        holds = [False] * len(rules)
        errors: list[str | None] = ["was not checked"] * len(rules)
        for result in results:
            place = result.expectation_config.meta["rule"]
            holds[place] = bool(result.success)
            errors[place] = _error_of(result.exception_info)
        return holds, errors

    def _expectation(self, rule: Rule, place: int) -> Any:
        from great_expectations import expectations

        meta = {
            "rule": place,
            "dataset": rule.dataset,
            "column": rule.column,
            "name": rule.name,
            "text": rule.text,
        }
        arguments = dict(rule.expectation)
        severity: Any = "warning" if rule.is_warning else "critical"
        if arguments:
            return getattr(expectations, arguments.pop("type"))(meta=meta, severity=severity, **arguments)
        # a brace of ours is no name of theirs
        query = rule.broken.replace("{", "{{").replace("}", "}}")
        return expectations.UnexpectedRowsExpectation(
            unexpected_rows_query=query, meta=meta, severity=severity
        )

    def _outcome(self, rule: Rule, holds: bool, error: str | None) -> Outcome:
        if holds or error:
            return Outcome(rule, passed=holds, error=error)
        broken = sql.SQL(rule.broken)
        try:
            with self._conn.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                sample = cursor.execute(
                    sql.SQL("select * from ({}) as broken limit {}").format(broken, SAMPLE_SIZE)
                ).fetchall()
                count = first_row(
                    cursor.execute(sql.SQL("select count(*) from ({}) as broken").format(broken))
                )
        except psycopg.Error as problem:
            return Outcome(rule, passed=False, error=_first_line(problem))
        return Outcome(
            rule,
            passed=False,
            broken_rows=count["count"],
            sample=tuple(
                {name: None if value is None else _text(value) for name, value in row.items()}
                for row in sample
            ),
        )


def _text(value: Any) -> str:
    return "{" + ",".join(map(str, value)) + "}" if isinstance(value, list) else str(value)


def _option(value: str) -> str:
    """A value as it stands in libpq's options."""
    return re.sub(r"([\\\s])", r"\\\1", value)


def _error_of(exception_info: Mapping[str, Any]) -> str | None:
    """The error of a result, whose form depends on where it happened."""
    infos = [exception_info, *(info for info in exception_info.values() if isinstance(info, Mapping))]
    for info in infos:
        if info.get("raised_exception") and info.get("exception_message"):
            return _first_line(info["exception_message"])
    return None


def _first_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _great_expectations() -> Any:
    # a checking tool has nobody to report to but its caller
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    try:
        import great_expectations
        import psycopg2  # type: ignore[import-untyped]  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"timeback check needs Great Expectations ({error.name} is missing). In the project's folder: "
            ".venv/bin/python -m pip install --editable '.[check]'"
        ) from error
    # it tells where its temporary files are, as soon as anybody has set logging up, as dbt does
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    return great_expectations
