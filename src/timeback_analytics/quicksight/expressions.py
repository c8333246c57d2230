"""SQL aggregates written as QuickSight's calculated fields, so that a number is defined once."""

from __future__ import annotations

from collections.abc import Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from timeback_analytics.errors import TimebackError

LIMIT = 4_096
AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.Median: "median",
    exp.Stddev: "stdev",
}
OPERATORS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.And: "AND",
    exp.Or: "OR",
}
CONDITIONS = (
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.And,
    exp.Or,
    exp.Not,
    exp.Is,
    exp.In,
    exp.Between,
)


class CannotBeSaidError(TimebackError):
    """An expression for which QuickSight, or this translation, has no words."""


def calculated_field(
    sql: str, fields: Mapping[str, str], booleans: frozenset[str] = frozenset(), row_field: str = ""
) -> str:
    """The expression of a calculated field that says what an SQL expression says.

    Args:
        sql: PostgreSQL, over columns of one relation without their relation's name.
        fields: column -> name of the field.
        booleans: the columns of type boolean, which are 0 and 1 in QuickSight.
        row_field: a field that is never null, whose count is the number of rows.

    Raises:
        CannotBeSaidError: a column is unknown, or something in it has no counterpart.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect="postgres")
    except SqlglotError as error:
        raise CannotBeSaidError(f"`{sql}` is not an SQL expression: {str(error).splitlines()[0]}") from None
    said = _Translation(sql, fields, booleans, row_field).say(tree)
    if len(said) > LIMIT:
        raise CannotBeSaidError(
            f"`{sql[:60]}...` is longer than the {LIMIT} characters of a calculated field."
        )
    return said


class _Translation:
    def __init__(self, sql: str, fields: Mapping[str, str], booleans: frozenset[str], row_field: str) -> None:
        self.sql, self.fields, self.booleans, self.row_field = sql, fields, booleans, row_field

    def refuse(self, what: str) -> CannotBeSaidError:
        return CannotBeSaidError(f"`{self.sql}` cannot be said in QuickSight: {what}.")

    def say(self, node: exp.Expr) -> str:
        """A node as a value."""
        if isinstance(node, exp.Paren):
            return f"({self.say(node.this)})"
        if isinstance(node, exp.Column):
            return self.field(node)
        if isinstance(node, exp.Literal):
            return "'" + node.this.replace("'", "\\'") + "'" if node.is_string else node.this
        if isinstance(node, exp.Null):
            return "NULL"
        if isinstance(node, exp.Boolean):
            return "1" if node.this else "0"
        if isinstance(node, exp.Neg):
            return f"-{self.say(node.this)}"
        if isinstance(node, exp.Cast):
            return self.cast(node)
        if isinstance(node, CONDITIONS):
            return f"ifelse({self.condition(node)}, 1, 0)"
        if type(node) in OPERATORS:
            return f"{self.say(node.this)} {OPERATORS[type(node)]} {self.say(node.expression)}"
        return self.function(node)

    def function(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Filter):
            return self.aggregate(node.this, self.condition(node.expression.this))
        if isinstance(node, exp.Count | exp.PercentileCont | exp.WithinGroup) or type(node) in AGGREGATES:
            return self.aggregate(node)
        if isinstance(node, exp.Case):
            return self.case(node)
        if isinstance(node, exp.Coalesce):
            return f"coalesce({', '.join(self.say(one) for one in (node.this, *node.expressions))})"
        if isinstance(node, exp.Nullif):
            return f"nullIf({self.say(node.this)}, {self.say(node.expression)})"
        if isinstance(node, exp.Round):
            decimals = f", {self.say(node.args['decimals'])}" if node.args.get("decimals") else ""
            return f"round({self.say(node.this)}{decimals})"
        raise self.refuse(f"nothing is known for `{node.sql(dialect='postgres')}`")

    def field(self, node: exp.Column) -> str:
        if node.table or node.name not in self.fields:
            raise self.refuse(f"there is no column {node.sql(dialect='postgres')}")
        return "{" + self.fields[node.name] + "}"

    def cast(self, node: exp.Cast) -> str:
        """Numbers need no cast, a boolean is a number already; other casts change a value."""
        numbers = (*exp.DataType.INTEGER_TYPES, *exp.DataType.FLOAT_TYPES, exp.DataType.Type.DECIMAL)
        inner = node.this.unnest()
        is_whole = node.to.this in exp.DataType.INTEGER_TYPES
        is_boolean = isinstance(inner, CONDITIONS) or (
            isinstance(inner, exp.Column) and inner.name in self.booleans
        )
        if node.to.this not in numbers or (is_whole and not is_boolean):
            raise self.refuse(f"a cast to {node.to.sql(dialect='postgres')} has no counterpart")
        return self.say(node.this)

    def condition(self, node: exp.Expr) -> str:
        """A node as something that holds or does not."""
        if isinstance(node, exp.Paren):
            return f"({self.condition(node.this)})"
        if isinstance(node, exp.Column) and node.name in self.booleans:
            return f"{self.field(node)} = 1"
        if isinstance(node, exp.Not):
            if isinstance(node.this, exp.Is) and not node.this.args.get("negate"):
                return self.null_test(node.this, "isNotNull")
            if isinstance(node.this, exp.Column) and node.this.name in self.booleans:
                return f"{self.field(node.this)} = 0"
            return f"NOT ({self.condition(node.this)})"
        if isinstance(node, exp.Is):
            return self.null_test(node, "isNotNull" if node.args.get("negate") else "isNull")
        if isinstance(node, exp.Between):
            value, low, high = (self.say(node.args[part]) for part in ("this", "low", "high"))
            return f"({value} >= {low} AND {value} <= {high})"
        if isinstance(node, exp.In) and node.expressions:
            return f"in({self.say(node.this)}, [{', '.join(self.say(one) for one in node.expressions)}])"
        if isinstance(node, exp.And | exp.Or):
            return f"{self.condition(node.this)} {OPERATORS[type(node)]} {self.condition(node.expression)}"
        if type(node) in OPERATORS and isinstance(node, CONDITIONS):
            return f"{self.say(node.this)} {OPERATORS[type(node)]} {self.say(node.expression)}"
        raise self.refuse(f"`{node.sql(dialect='postgres')}` is not a condition that it knows")

    def null_test(self, node: exp.Is, word: str) -> str:
        if isinstance(node.expression, exp.Null):
            return f"{word}({self.say(node.this)})"
        if isinstance(node.expression, exp.Boolean) and word == "isNull":
            return f"{self.say(node.this)} = {self.say(node.expression)}"
        raise self.refuse("IS stands for null, true or false alone")

    def case(self, node: exp.Case) -> str:
        if node.this:
            raise self.refuse("CASE needs a condition after each WHEN")
        parts = [
            part
            for when in node.args["ifs"]
            for part in (self.condition(when.this), self.say(when.args["true"]))
        ]
        default = node.args.get("default")
        return f"ifelse({', '.join([*parts, self.say(default) if default else 'NULL'])})"

    def aggregate(self, node: exp.Expr, condition: str = "") -> str:
        """An aggregate function; a FILTER's condition goes into its argument, whose other rows are null."""

        def kept(value: str) -> str:
            return f"ifelse({condition}, {value}, NULL)" if condition else value

        if isinstance(node, exp.WithinGroup) and isinstance(node.this, exp.PercentileCont):
            ordered = node.expression.expressions[0]
            share = float(node.this.this.this) * 100
            return f"percentileCont({kept(self.say(ordered.this))}, {share:g})"
        if isinstance(node, exp.Count):
            counted = node.this
            if isinstance(counted, exp.Distinct):
                if len(counted.expressions) != 1:
                    raise self.refuse("a count of distinct values takes one column")
                return f"distinct_count({kept(self.say(counted.expressions[0]))})"
            if isinstance(counted, exp.Star | exp.Literal):
                if not self.row_field:
                    raise self.refuse("a count of rows needs a column that is never null")
                return f"count({kept('{' + self.row_field + '}')})"
            return f"count({kept(self.say(counted))})"
        if type(node) not in AGGREGATES:
            raise self.refuse(f"`{node.sql(dialect='postgres')}` is not an aggregate that it knows")
        if isinstance(node, exp.Sum) and isinstance(node.this, exp.Literal) and node.this.this == "1":
            return self.aggregate(exp.Count(this=exp.Star()), condition)
        return f"{AGGREGATES[type(node)]}({kept(self.say(node.this))})"
