"""What the project promises of its datasets, checked on a live database with Great Expectations.

The rules are those of the dbt YAML, read from dbt's manifest: columns, types, generic tests with their
severity; beside them that a scoped dataset shows rows where there are any. Great Expectations runs one
suite a dataset in an ephemeral context; for a rule that fails the keys of some rows are fetched, and no
other of their columns. The session is read-only, so nothing is written.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from timeback_analytics.catalog.names import ROAR_SCOPE_SETTING, SCOPE_SETTING, internal_schema
from timeback_analytics.connection import PSYCOPG_SETTINGS, SESSION_SETTINGS
from timeback_analytics.errors import MissingDependencyError, TimebackError
from timeback_analytics.promises import Rule, Suite, quoted
from timeback_analytics.queries import first_row

SAMPLE_SIZE = 5
"""How many of the rows that break a rule are named."""


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
            **dict(SESSION_SETTINGS),
            **dict(PSYCOPG_SETTINGS),
            SCOPE_SETTING: scope,
            ROAR_SCOPE_SETTING: roar_scope,
            "default_transaction_read_only": "on",
            # where Great Expectations looks for a dataset; our own queries name the schema
            "search_path": quoted(schema),
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
            "select relname from pg_class where relnamespace = to_regnamespace(%s)", [quoted(self._schema)]
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
                [quoted(internal_schema(self._schema))],
            )
        )
        return may

    def _great_expectations_context(self, arguments: Mapping[str, Any]) -> tuple[Any, Any]:
        """A context that leaves nothing behind, and its data source."""
        from great_expectations.data_context.types.base import ProgressBarsConfig
        from sqlalchemy.dialects.postgresql import CITEXT
        from sqlalchemy.dialects.postgresql.base import PGDialect

        # SQLAlchemy knows citext by its bare name only; PostgreSQL shows it with its schema, outside the path
        for (shown,) in self._conn.execute(
            "select format_type(oid, null) from pg_type where typname = 'citext'"
        ).fetchall():
            PGDialect.ischema_names.setdefault(shown.lower(), CITEXT)
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
            TimebackError: the scope is not a list of organizations, or the caller may not ask for everybody.
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
        relation = f"{quoted(self._schema)}.{quoted(rule.dataset)}"
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
            if SCOPE_SETTING in message or ROAR_SCOPE_SETTING in message:
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
        # a brace of ours is not a name of theirs
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


def is_installed() -> bool:
    """Whether Great Expectations, which the check needs, is installed."""
    return importlib.util.find_spec("great_expectations") is not None


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
