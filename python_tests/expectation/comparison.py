"""The views against the expectation: load an example, ask as a caller, compare as multisets, roll back.

A difference is shrunk to the rows that it takes, and told as SQL that shows it wherever the views are.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from .datasets import columns, expected, facts
from .operational import UNKNOWN_ORGANIZATION, organizations_in
from .rules import Row
from .scope import Scope

SETTING = "app.allowed_org_ids"
READER = "timeback_reader"

OperationalRows = dict[str, list[Row]]


@dataclass(frozen=True)
class Caller:
    """A way to ask: who (None: the superuser that connects) and with which setting."""

    name: str
    scope: Scope
    role: str | None = None
    bound: dict[str, frozenset[UUID]] = field(default_factory=dict, hash=False)
    """What roles are bound to meanwhile; the scope's bindings say the same to the expectation."""


def bound_callers(tables: OperationalRows, session_user: str) -> Iterator[Caller]:
    """Callers whose roles are bound on the server side: the setting can narrow a binding, never widen it."""
    organizations = organizations_in(tables)
    half = frozenset(organizations[::2])
    first = frozenset(organizations[:1])

    def caller(name: str, setting: str | None, **bound: frozenset[UUID]) -> Caller:
        roles = {{"session": session_user, "reader": READER}[who]: orgs for who, orgs in bound.items()}
        return Caller(name, Scope(setting, bindings=tuple(bound.values())), READER, roles)

    everything = ",".join(map(str, organizations))
    yield caller("a bound reader that asks for everybody", "*", reader=half)
    yield caller("a bound reader that asks for more", everything, reader=half)
    yield caller("a bound reader that asks for less", ",".join(map(str, first)), reader=half)
    yield caller("a bound reader that asks for nothing", "", reader=half)
    yield caller("a bound login behind an unbound reader", "*", session=first)
    yield caller("a bound login behind an otherwise bound reader", "*", session=first, reader=half)
    yield caller("a bound login that asks for more", everything, session=half, reader=half | first)


def callers(tables: OperationalRows) -> Iterator[Caller]:
    """Everybody who asks in each example, the callers that see nothing first.

    Lists are asked for by turns as the superuser and as the reading role: neither may see more than the list.
    """
    organizations = organizations_in(tables)
    yield Caller("an empty setting", Scope("", unrestricted=True))
    yield Caller("an unknown organization", Scope(str(UNKNOWN_ORGANIZATION)), READER)
    for number, organization in enumerate(organizations):
        role = (None, READER)[number % 2]
        yield Caller("one organization", Scope(str(organization), unrestricted=role is None), role)
    several = [*organizations[::2], UNKNOWN_ORGANIZATION]
    yield Caller("several organizations", Scope("{" + ", ".join(map(str, several)) + "}"), READER)
    yield Caller("everybody", EVERYBODY)


EVERYBODY = Scope("*", unrestricted=True)
NEVER_SET = Caller("a setting that was never made", Scope(None, unrestricted=True))


@dataclass
class Difference:
    """What a caller got from a dataset, against what the documentation says."""

    dataset: str
    caller: Caller
    missing: list[tuple] = field(default_factory=list)
    unexpected: list[tuple] = field(default_factory=list)
    error: str | None = None


class Catalog:
    """A database with the operational tables, empty, and the published views, reached by one connection.

    `published` and `operational` are the two schemas.
    """

    def __init__(
        self, connection: psycopg.Connection, operational: str, published: str, timezone: tzinfo
    ) -> None:
        self.connection = connection
        self.operational = operational
        self.published = published
        self.timezone = timezone
        # psycopg forgets the statements that it prepared at each rollback; ours stay, see fetch.
        connection.prepare_threshold = None
        self._prepared: dict[str, sql.Composed] = {}
        self._cursor = connection.cursor(binary=True)

    @contextlib.contextmanager
    def example(self, tables: OperationalRows, settings: dict[str, str] | None = None) -> Iterator[date]:
        """A transaction with these operational rows and session settings; gives today, undone at the end."""
        with self.connection.transaction(force_rollback=True):
            for name, value in (settings or {}).items():
                self._cursor.execute("select set_config(%s, %s, true)", [name, value])
            for table, rows in tables.items():
                self._load(table, rows)
            (today,) = self._cursor.execute(
                "select (now() at time zone %s)::date", [str(self.timezone)]
            ).fetchone()
            yield today

    def _load(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        names = list(rows[0])
        statement = sql.SQL("copy {} ({}) from stdin").format(
            sql.Identifier(self.operational, table), sql.SQL(", ").join(map(sql.Identifier, names))
        )
        with self._cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])

    @contextlib.contextmanager
    def asking_as(self, caller: Caller) -> Iterator[None]:
        """What follows is asked by this caller."""
        with self.connection.transaction(force_rollback=True):
            for role, organizations in caller.bound.items():
                for organization in organizations:
                    self._cursor.execute(
                        sql.SQL("insert into {} (role_name, org_id) values (%s, %s)").format(
                            sql.Identifier(f"{self.published}_internal", "scope_binding")
                        ),
                        [role, organization],
                    )
            if caller.scope.setting is not None:
                self._cursor.execute("select set_config(%s, %s, true)", [SETTING, caller.scope.setting])
            if caller.role is not None:
                self._cursor.execute(sql.SQL("set local role {}").format(sql.Identifier(caller.role)))
            yield

    def fetch(self, dataset: str) -> list[tuple]:
        """The rows of a dataset in the documented column order, arrays as frozensets.

        A view is planned once for the connection, since planning takes ten times as long as running: so this
        also tells whether a prepared statement follows the setting and the role.
        """
        if dataset not in self._prepared:
            name = sql.Identifier(f"rows of {dataset}")
            self._cursor.execute(
                sql.SQL("prepare {} as select {} from {}").format(
                    name,
                    sql.SQL(", ").join(_as_known_type(dataset, column) for column in columns(dataset)),
                    sql.Identifier(self.published, dataset),
                )
            )
            self._prepared[dataset] = sql.SQL("execute {}").format(name)
        rows = self._cursor.execute(self._prepared[dataset]).fetchall()
        return [tuple(_as_set(value) for value in row) for row in rows]

    def difference(
        self, dataset: str, tables: OperationalRows, caller: Caller, today: date
    ) -> Difference | None:
        """Compares what the caller gets, who must already be asking, with what is documented."""
        wanted = Counter(expected(dataset, tables, caller.scope, today, self.timezone))
        try:
            with self.connection.transaction(force_rollback=True):
                got = Counter(self.fetch(dataset))
        except psycopg.Error as error:
            return Difference(dataset, caller, error=f"{type(error).__name__}: {error}")
        if got == wanted:
            return None
        return Difference(
            dataset, caller, missing=[*(wanted - got).elements()], unexpected=[*(got - wanted).elements()]
        )

    def still_differs(self, found: Difference, settings: dict[str, str]) -> Callable[[OperationalRows], bool]:
        """Whether an example shows the same kind of difference: the test that shrinking needs."""

        def differs(tables: OperationalRows) -> bool:
            try:
                with self.example(tables, settings) as today, self.asking_as(found.caller):
                    now = self.difference(found.dataset, tables, found.caller, today)
            except psycopg.Error:
                return False  # the database refuses such rows
            return now is not None and (now.error is None) == (found.error is None)

        return differs


def _as_known_type(dataset: str, column: str) -> sql.Composable:
    """A column, as text where the driver does not know the type, which is an extension's."""
    is_citext = facts()[dataset]["columns"][column][1] == "citext"
    return sql.SQL("{}::text" if is_citext else "{}").format(sql.Identifier(column))


def _as_set(value: Any) -> Any:
    """An array as a set; one that holds a null or anything twice stays a list, and equals no expectation."""
    if not isinstance(value, list):
        return value
    as_set = frozenset(value)
    return tuple(value) if None in as_set or len(as_set) != len(value) else as_set


# -- shrinking ----------------------------------------------------------------------------------------


def shrink(tables: OperationalRows, differs: Callable[[OperationalRows], bool]) -> OperationalRows:
    """The fewest rows, then values, that still differ: whole tables go first, then halves, then rows.

    Removing until nothing more can be removed; the result is minimal in the sense that each row and each
    value left is needed as long as the others stay.
    """
    smaller = True
    while smaller:
        smaller = False
        for table in tables:
            size = len(tables[table])
            while size:
                start = 0
                while start < len(tables[table]):
                    rows = tables[table][:start] + tables[table][start + size :]
                    if differs({**tables, table: rows}):
                        tables = {**tables, table: rows}
                        smaller = True
                    else:
                        start += size
                size //= 2
    for table, rows in tables.items():
        for number, row in enumerate(rows):
            for column, value in row.items():
                if value is not None:
                    plainer = [*rows[:number], {**rows[number], column: None}, *rows[number + 1 :]]
                    if differs({**tables, table: plainer}):
                        rows = plainer
                        tables = {**tables, table: rows}
    return tables


# -- telling ------------------------------------------------------------------------------------------


def told(difference: Difference, tables: OperationalRows, catalog: Catalog) -> str:
    """The difference for a person: rows of both sides, and SQL that shows them."""
    names = columns(difference.dataset)
    lines = [
        f"{difference.dataset} under {difference.caller.name}: setting {difference.caller.scope.setting!r}"
        + (f", role {difference.caller.role}" if difference.caller.role else ""),
    ]
    if difference.error:
        lines.append(f"error: {difference.error}")
    for title, rows in (("missing", difference.missing), ("unexpected", difference.unexpected)):
        lines += [f"{title}: " + _as_text(dict(zip(names, row, strict=True))) for row in rows]
    lines.append("-- the rows that it takes, and how to see it")
    lines.append("begin;")
    lines += list(_as_inserts(tables, catalog))
    for role, organizations in difference.caller.bound.items():
        lines.append(f"-- {role} is bound to {sorted(map(str, organizations))}")
    if difference.caller.scope.setting is not None:
        setting = sql.Literal(difference.caller.scope.setting).as_string(catalog.connection)
        lines.append(f"select set_config('{SETTING}', {setting}, true);")
    if difference.caller.role:
        lines.append(f"set local role {difference.caller.role};")
    lines += [f"select * from {catalog.published}.{difference.dataset};", "rollback;"]
    return "\n".join(lines)


def _as_text(row: Row) -> str:
    return ", ".join(f"{name}={_plain(value)}" for name, value in row.items())


def _plain(value: Any) -> str:
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(map(str, value))) + "}"
    if isinstance(value, datetime):
        return str(value.astimezone(UTC))
    return repr(value) if isinstance(value, str) else str(value)


def _literal(value: Any) -> sql.Literal:
    return sql.Literal(value if isinstance(value, bool | int | float | Decimal) else str(value))


def _as_inserts(tables: OperationalRows, catalog: Catalog) -> Iterator[str]:
    for table, rows in tables.items():
        for row in rows:
            given = {name: value for name, value in row.items() if value is not None}
            yield (
                sql.SQL("insert into {} ({}) values ({});")
                .format(
                    sql.Identifier(catalog.operational, table),
                    sql.SQL(", ").join(map(sql.Identifier, given)),
                    sql.SQL(", ").join(map(_literal, given.values())),
                )
                .as_string(catalog.connection)
            )
