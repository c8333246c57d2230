"""The session in which an attack is made, which keeps everything that is said to it; the views; an attack."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

PUBLISHED = "analytics"
INTERNAL = "analytics_internal"
SETTING = "app.allowed_org_ids"
"""What the attacks say; asked of a view that goes by another setting, they say that one."""
OWN_SCHEMA = "attacker"
"""A schema that the attacker owns."""
FOREIGN = re.compile(r"f0f0f0f0-[0-9a-f-]{27}|FOREIGN\d+")
"""What another school's rows can be told by, as text."""

AS_IT_COMES = "as it comes"
PLANNERS = {
    AS_IT_COMES: (),
    "no hash joins": ("enable_hashjoin",),
    "no nested loops": ("enable_nestloop",),
    "no sequential scans": ("enable_seqscan",),
    "no merge joins": ("enable_mergejoin",),
}


@dataclass(frozen=True)
class Guess:
    """A predicate that holds for rows of the other school and none of ours.

    Attributes:
        predicate: SQL with {column} and {value}.
        column: the column of the view.
        hit: the value with which it does, as text.
        miss: one with which it holds for nobody's rows.
    """

    predicate: str
    column: str
    hit: str
    miss: str


@dataclass(frozen=True)
class View:
    """A scoped view: name, columns, setting, what an attacker may guess of the others' rows, schema."""

    name: str
    columns: tuple[str, ...]
    setting: str = SETTING
    guesses: tuple[Guess, ...] = ()
    schema: str = PUBLISHED

    @property
    def quoted(self) -> sql.Identifier:
        """Its name with its schema."""
        return sql.Identifier(self.schema, self.name)


@dataclass
class Session:
    """A reader's connection, and what it has been told since `said` was last cleared.

    Attributes:
        conn: the connection, not in autocommit; each attack is made in a transaction that is rolled back.
        own: the reader's organization.
        foreign: the organization of everybody else.
        said: the text of every row, notice and error.
        counted: what was counted of a view's rows.
        raised: errors that a row's content gave rise to.
        told_apart: guesses whose plan is another one when they hold for somebody else's rows.
        attempts: how many statements have been sent.
        setting: the setting by which the view that is attacked is scoped.
    """

    conn: psycopg.Connection
    own: str
    foreign: str
    said: list[str] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    told_apart: list[str] = field(default_factory=list)
    attempts: int = 0
    setting: str = SETTING

    def __post_init__(self) -> None:
        self.conn.add_notice_handler(lambda notice: self.said.append(_text(notice)))

    def plan_by(self, planner: str) -> None:
        """Switch off what this one of PLANNERS does without, until the end of the transaction."""
        for setting in PLANNERS[planner]:
            self.conn.execute(f"set local {setting} = off")

    def ask(self, statement: str, **names: object) -> list[tuple]:
        """Execute, keep what comes back, go on after an error.

        `{v}` and other names in braces are filled in as identifiers or literals.

        Returns:
            The rows; none after an error.
        """
        query = sql.SQL(statement.replace(SETTING, self.setting)).format(**_filled(names))
        self.attempts += 1
        try:
            with self.conn.transaction():
                cursor = self.conn.execute(query)
                rows = cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            self.said.append(_text(error.diag) or str(error))
            if not isinstance(error, psycopg.errors.InsufficientPrivilege):
                self.raised.append(str(error))
            return []
        self.said += [" ".join(map(str, row)) for row in rows]
        return rows

    def count(self, statement: str, **names: object) -> None:
        """Execute, and keep the number in the first row."""
        rows = self.ask(statement, **names)
        if rows:
            self.counted.append(int(rows[0][0] or 0))

    def compare_plans(self, explain: str, guess: Guess, **names: object) -> None:
        """EXPLAIN a query with what is there and with what is not, and keep the guess when the plans differ.

        `{where}` in it is the guess's predicate, `{value}` its value.
        """
        plans = []
        for value in (guess.hit, guess.miss):
            where = sql.SQL(guess.predicate).format(
                column=sql.Identifier(guess.column), value=sql.Literal(value)
            )
            lines = self.explain(explain, **{**names, "where": where, "value": value})
            plans.append([_without(value, line) for line in lines])
            self.said += plans[-1]
        if plans[0] != plans[1]:
            self.told_apart.append(f"{guess.column}: {guess.predicate}")

    def explain(self, explain: str, **names: object) -> list[str]:
        """The lines of a plan."""
        self.attempts += 1
        with self.conn.transaction():
            return [line for (line,) in self.conn.execute(sql.SQL(explain).format(**_filled(names)))]

    def copy_out(self, statement: str, **names: object) -> None:
        """COPY ... TO STDOUT, its lines kept."""
        query = sql.SQL(statement.replace(SETTING, self.setting)).format(**_filled(names))
        self.attempts += 1
        try:
            with self.conn.transaction(), self.conn.cursor().copy(query) as lines:
                self.said += [bytes(line).decode() for line in lines]
        except psycopg.Error as error:
            self.said.append(_text(error.diag) or str(error))


@dataclass
class SessionInFunction(Session):
    """A session whose queries run within a function of another role's, with that role's rights.

    Attributes:
        function: the function's name with its schema; it takes a query and gives its rows as texts.
    """

    function: str = ""

    def ask(self, statement: str, **names: object) -> list[tuple]:
        """Execute a query within the function, anything else as it is."""
        if not re.match(r"\s*(select|with|table|explain)\b", statement):
            return super().ask(statement, **names)
        query = sql.SQL(statement.replace(SETTING, self.setting)).format(**_filled(names))
        rows = super().ask(f"select * from {self.function}({{query}})", query=query.as_string(self.conn))
        return [tuple(text.removeprefix("(").removesuffix(")").split(",")) for (text,) in rows]

    def explain(self, explain: str, **names: object) -> list[str]:
        """The lines of a plan that is made within the function."""
        query = sql.SQL(explain).format(**_filled(names)).as_string(self.conn)
        self.attempts += 1
        with self.conn.transaction():
            return [line for (line,) in self.conn.execute(f"select * from {self.function}(%s)", [query])]


@dataclass(frozen=True)
class Attack:
    """One idea.

    Attributes:
        name: for the report.
        make: makes it on one view.
        needs: what has to be missing for it to succeed: "barrier", "binding", "rights", "pinned path" or
            "pinned path under a binding"; None for what Postgres itself refuses whatever we do.
        every_error_tells: whether an error is a disclosure, since no row of one's own gives rise to one.
        planner: which of PLANNERS it is made with.
    """

    name: str
    make: Callable[[Session, View], None]
    needs: str | None
    every_error_tells: bool = False
    planner: str = AS_IT_COMES


def _filled(names: dict[str, object]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, sql.Composable) else sql.Literal(value)
        for name, value in names.items()
    }


def _text(diagnostic: psycopg.errors.Diagnostic) -> str:
    parts = ("message_primary", "message_detail", "message_hint", "context", "internal_query")
    return " ".join(filter(None, (getattr(diagnostic, part) for part in parts)))


def _without(value: str, line: str) -> str:
    """A line of a plan without the attacker's own value, which tells nothing; a number may stand unquoted."""
    literal = re.escape(value)
    return re.sub(rf"('{literal}'|(?<=[<>=] ){literal}(?![\w.]))(::numeric)?", "?", line)


ATTACKS: list[Attack] = []


def attack(
    name: str, needs: str | None, every_error_tells: bool = False, planner: str = AS_IT_COMES
) -> Callable:
    """Register a function as an attack."""

    def register(make: Callable[[Session, View], None]) -> Callable[[Session, View], None]:
        ATTACKS.append(Attack(name, make, needs, every_error_tells, planner))
        return make

    return register
