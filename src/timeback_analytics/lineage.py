"""Which operational columns each published column is made of, read from the SQL that dbt compiled.

This is the lineage of values: every operational column that the expression of a published column reads,
through all models below it. In it are the conditions of a `case`, the filter and the order of an
aggregate or a window, both halves of a union, and what an inner join equates with a column. A subquery in
an expression (`exists (...)`, `array(...)`, a scalar one) decides the value as a whole, so all that it
reads is in it, conditions too; so is the order of a `distinct on`, which chooses the row that a value
comes from, and of a bare `count(*)` what tells the counted rows apart.

Not in it is what decides no more than which rows there are: joins, `where`, `having`, anti joins, the
caller's scope.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope, walk_in_scope

from timeback_analytics.catalog.manifest import published_models
from timeback_analytics.catalog.scopes import scopes
from timeback_analytics.errors import TimebackError


def published_lineage(manifest: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """{dataset: {column: [table.column, ...]}}: datasets by name, columns in order, sources sorted.

    Args:
        manifest: dbt's manifest with compiled SQL, as `dbt compile`, `run` and `docs generate` leave it.

    Raises:
        TimebackError: a model is not compiled, or its SQL is not understood.
    """
    models = _Models(manifest)
    return {
        node["name"]: {
            column: sorted(models.origins(node["unique_id"], column))
            for column in models.names(node["unique_id"])
        }
        for node in published_models(manifest)
    }


def parsed(node: Mapping[str, Any]) -> exp.Query:
    """The compiled SQL of a model as sqlglot's syntax tree.

    Raises:
        TimebackError: the model is not compiled, or sqlglot does not understand it.
    """
    if not node.get("compiled_code"):
        raise TimebackError(
            f"Model {node['name']} is not compiled in the manifest. Run `dbt compile`, then this again."
        )
    try:
        tree = parse_one(node["compiled_code"], dialect="postgres")
    except SqlglotError as error:
        raise TimebackError(f"The SQL of model {node['name']} is not understood: {error}") from error
    if not isinstance(tree, exp.Query):
        raise TimebackError(f"The SQL of model {node['name']} is not a query.")
    return tree


def tables_read(tree: exp.Query) -> set[tuple[str, str]]:
    """(schema, name) of each relation that a query reads; the names of its own CTEs are not among them."""
    return {(table.db, table.name) for table in tree.find_all(exp.Table) if table.db and table.name}


class _Models:
    """The lineage of the columns that are asked for, and of those below them, each computed once."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._nodes = {**manifest["nodes"], **manifest["sources"]}
        self._ids = {
            (node["schema"], node.get("alias") or node["identifier"]): unique_id
            for unique_id, node in self._nodes.items()
            if node["resource_type"] in ("model", "source")
        }
        self._queries: dict[str, _Query] = {}

    def names(self, unique_id: str) -> list[str]:
        """The columns of a model or source, in order."""
        node = self._nodes[unique_id]
        return list(node["columns"]) if node["resource_type"] == "source" else self._query(unique_id).names()

    def origins(self, unique_id: str, column: str) -> frozenset[str]:
        """The lineage of one column of a model or source."""
        node = self._nodes[unique_id]
        if node["resource_type"] == "source":
            return frozenset({f"{node['name']}.{column}"})
        try:
            return self._query(unique_id).origins(column)
        except SqlglotError as error:
            raise TimebackError(f"The SQL of model {node['name']} is not understood: {error}") from error

    def id_of(self, table: exp.Table) -> str:
        """The model or source that a query reads."""
        try:
            return self._ids[table.db, table.name]
        except KeyError:
            raise TimebackError(
                f"{table.db}.{table.name} is neither a model nor a source of the project, so the "
                "lineage of what reads it is unknown."
            ) from None

    def of_table(self, table: exp.Table, column: str) -> frozenset[str]:
        """The lineage of a column of what stands in a FROM: a model, a source or a function of the scope.

        The function of the people in scope gives persons and their organizations, out of their memberships;
        who is asking comes from no table.
        """
        if not isinstance(table.this, exp.Anonymous):
            return self.origins(self.id_of(table), column)
        memberships = {
            f"{people}_in_scope": membership
            for scope in scopes().values()
            for people, membership in scope.people.items()
        }
        if table.this.name not in memberships:
            return frozenset()
        membership = self._ids[table.db, memberships[table.this.name]]
        return self.origins(membership, {"org_ids": "org_id"}.get(column, column))

    def _query(self, unique_id: str) -> _Query:
        if unique_id not in self._queries:
            tree = parsed(self._nodes[unique_id])
            schema: dict[str, Any] = {}
            for table in tree.find_all(exp.Table):
                if (table.db, table.name) in self._ids:
                    columns = dict.fromkeys(self.names(self.id_of(table)), "unknown")
                    schema.setdefault(table.catalog, {}).setdefault(table.db, {})[table.name] = columns
            self._queries[unique_id] = _Query(self, tree, schema)
        return self._queries[unique_id]


class _Query:
    """One query with the scopes below it. A column that a scope gives is known by its place, from 0."""

    def __init__(self, models: _Models, tree: exp.Query, schema: dict[str, Any]) -> None:
        """schema: database -> schema -> relation -> column -> anything, of relations with known columns."""
        qualified = qualify(
            tree, dialect="postgres", schema=schema, validate_qualify_columns=False, identify=False
        )
        self._models = models
        scope = build_scope(qualified)
        if scope is None:
            raise TimebackError(f"The lineage of this query is unknown: {tree.sql(dialect='postgres')[:200]}")
        self._scope = scope
        self._known: dict[tuple[int, int], frozenset[str]] = {}
        self._equal: dict[int, dict[_ColumnKey, set[_ColumnKey]]] = {}

    def names(self) -> list[str]:
        """The columns that the query gives, in order."""
        return _names(self._scope)

    def origins(self, column: str) -> frozenset[str]:
        """The lineage of a column that the query gives."""
        return self._output(self._scope, self.names().index(column))

    def _output(self, scope: Scope, place: int) -> frozenset[str]:
        """The lineage of one column that a scope gives."""
        key = (id(scope), place)
        if key not in self._known:
            self._known[key] = frozenset(self._make_output(scope, place))
        return self._known[key]

    def _make_output(self, scope: Scope, place: int) -> Iterator[str]:
        query = scope.expression
        if isinstance(query, exp.Lateral) and scope.subquery_scopes:
            yield from self._output(scope.subquery_scopes[-1], place)
        elif isinstance(query, exp.Values):
            for row in query.expressions:
                yield from self._reads(row.expressions[place], scope)
        elif isinstance(query, exp.SetOperation):
            for half in scope.set_operation_scopes:
                yield from self._output(half, place)
        elif isinstance(query, exp.Select):
            yield from self._reads(query.selects[place], scope)
            distinct = query.args.get("distinct")
            if distinct and distinct.args.get("on") and query.args.get("order"):
                yield from self._reads(query.args["order"], scope)
        else:
            # unnest and other functions in `from`: each column is made of what the function is given
            yield from self._reads(query, scope)

    def _reads(self, expression: exp.Expr, scope: Scope) -> Iterator[str]:
        """The lineage of all that an expression reads."""
        subqueries = {id(child.expression): child for child in scope.subquery_scopes}
        for node in walk_in_scope(expression):
            if isinstance(node, exp.Column):
                yield from self._column(node, scope)
            elif isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
                if not isinstance(node.parent, exp.Filter):
                    yield from self._counted(scope)
            elif id(node) in subqueries:
                yield from self._everything(subqueries[id(node)])

    def _everything(self, scope: Scope) -> Iterator[str]:
        """The lineage of all that a subquery reads, its conditions too."""
        if isinstance(scope.expression, exp.SetOperation):
            for half in scope.set_operation_scopes:
                yield from self._everything(half)
        else:
            yield from self._reads(scope.expression, scope)

    def _counted(self, scope: Scope) -> Iterator[str]:
        """The lineage of what tells the rows apart that a scope counts."""
        for _, source in scope.selected_sources.values():
            if isinstance(source, Scope):
                for place in range(len(_names(source))):
                    yield from self._output(source, place)
            else:
                unique_id = self._models.id_of(source)
                for name in self._models.names(unique_id):
                    yield from self._models.origins(unique_id, name)

    def _column(self, column: exp.Column, scope: Scope) -> Iterator[str]:
        """The lineage of a column, and of those that have the same value wherever the query has a row."""
        if id(scope) not in self._equal:
            self._equal[id(scope)] = _equal_columns(scope.expression)
        key = (column.table, column.name)
        for table, name in self._equal[id(scope)].get(key, {key}):
            source = _source(table, scope)
            if source is None:
                raise TimebackError(f"{column.sql(dialect='postgres')} is a column of nothing in its query.")
            if isinstance(source, exp.Table):
                yield from self._models.of_table(source, name)
            else:
                names = _names(source)
                yield from self._output(source, names.index(name) if name in names else 0)


_ColumnKey = tuple[str, str]
"""The table's name in a query, and the column's."""


def _source(table: str, scope: Scope) -> exp.Table | Scope | None:
    """What a query knows by this name: found in the scope itself, or in one around it."""
    around: Scope | None = scope
    while around is not None:
        if table in around.sources:
            return around.sources[table]
        around = around.parent
    return None


def _names(scope: Scope) -> list[str]:
    """The columns that a scope gives, in order; none for a function whose columns nobody named."""
    if scope.outer_columns:
        return list(scope.outer_columns)
    query = scope.expression
    if isinstance(query, exp.Lateral):
        return _names(scope.subquery_scopes[-1]) if scope.subquery_scopes else []
    return query.named_selects if isinstance(query, exp.Query) else []


def _equal_columns(query: exp.Expr) -> dict[_ColumnKey, set[_ColumnKey]]:
    """column -> all columns with the same value, itself too, as `where` and inner joins say."""
    if not isinstance(query, exp.Select):
        return {}
    joins = query.args.get("joins") or []
    if any(join.side in ("RIGHT", "FULL") for join in joins):
        return {}
    conditions = [join.args["on"] for join in joins if not join.side and join.args.get("on")]
    if query.args.get("where"):
        conditions.append(query.args["where"].this)
    groups: dict[_ColumnKey, set[_ColumnKey]] = {}
    for condition in conditions:
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            if isinstance(part, exp.EQ) and all(
                isinstance(side, exp.Column) for side in (part.left, part.right)
            ):
                group: set[_ColumnKey] = set()
                for side in (part.left, part.right):
                    name = (side.text("table"), side.name)
                    group |= groups.get(name, {name})
                groups.update(dict.fromkeys(group, group))
    return groups
