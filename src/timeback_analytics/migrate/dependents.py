"""What depends on tables: views and materialized views, as they are and how to make them again.

Everything is read from the database's own catalog, not from the project: what is recreated is what was
there, of others too, and where somebody altered it by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row


def _query(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


_DEPENDENCIES = _query("dependencies.sql")
_OBJECTS = _query("objects.sql")


@dataclass(frozen=True)
class Dependent:
    """A view or materialized view, as it is."""

    oid: int
    kind: str
    """v or m."""
    schema: str
    name: str
    owner: str
    options: tuple[str, ...]
    definition: str
    is_populated: bool
    columns: tuple[str, ...]
    grants: tuple[tuple[str | None, str | None, str, bool, str], ...]
    """Column or None, grantee or None for everybody, privilege, with grant option, grantor."""
    owner_lacks_rights: bool
    """Whether its owner has not all the rights that an owner has until somebody takes one."""
    comments: tuple[tuple[str | None, str], ...]
    """Column or None, text."""
    defaults: tuple[tuple[str, str], ...]
    additions: tuple[str, ...]
    """Statements that make its indexes, rules and triggers."""

    @property
    def identifier(self) -> sql.Identifier:
        """Its name with its schema."""
        return sql.Identifier(self.schema, self.name)

    @property
    def label(self) -> str:
        """Its name with its schema, as a person reads it."""
        return f"{self.schema}.{self.name}"

    @property
    def lasting(self) -> tuple[object, ...]:
        """What must be as it was after it was recreated."""
        grants = tuple(sorted(self.grants, key=repr))
        kept = (self.kind, self.owner, tuple(sorted(self.options)), self.columns, grants)
        return (*kept, self.comments, self.defaults, self.additions)

    def drop(self) -> sql.Composed:
        """The statement that takes it away; never with CASCADE."""
        what = "materialized view" if self.kind == "m" else "view"
        return sql.SQL(f"drop {what} {{}}").format(self.identifier)

    def create(self, role: str, given: Sequence[str | None] = ()) -> list[sql.Composed]:
        """The statements that make it again.

        Args:
            role: the role that runs them.
            given: to whom that role's default privileges give rights on what it makes; None for everybody.
        """
        what = "materialized view" if self.kind == "m" else "view"
        options = sql.SQL(" with ({})").format(sql.SQL(self._options())) if self.options else sql.SQL("")
        made = sql.SQL(f"create {what} {{}} ({{}}){{}} as\n{{}}{{}}").format(
            self.identifier,
            sql.SQL(", ").join(map(sql.Identifier, self.columns)),
            options,
            sql.SQL(self.definition.rstrip().rstrip(";").replace("{", "{{").replace("}", "}}")).format(),
            sql.SQL("" if self.kind == "v" or self.is_populated else "\nwith no data"),
        )
        statements = [made, *(_text(one) for one in self.additions)]
        view = sql.SQL(what)
        for column, expression in self.defaults:
            statements.append(
                sql.SQL("alter view {} alter column {} set default {}").format(
                    self.identifier, sql.Identifier(column), _text(expression)
                )
            )
        if self.owner != role:
            statements.append(
                sql.SQL("alter {} {} owner to {}").format(view, self.identifier, sql.Identifier(self.owner))
            )
        for commented, text in self.comments:
            place = sql.Identifier(self.schema, self.name, *([commented] if commented else []))
            kind = sql.SQL("column") if commented else view
            statements.append(sql.SQL("comment on {} {} is {}").format(kind, place, sql.Literal(text)))
        return statements + self._grant(given)

    def _options(self) -> str:
        # names are Postgres's own; a value is a number or a word
        pairs = (option.split("=", 1) for option in self.options)
        return ", ".join(
            f"{name} = {sql.Literal(value).as_string(None)}".replace("{", "{{").replace("}", "}}")
            for name, value in pairs
        )

    def _grant(self, given: Sequence[str | None]) -> list[sql.Composed]:
        takers = dict.fromkeys([*([self.owner] if self.owner_lacks_rights else []), *given])
        statements = [
            sql.SQL("revoke all on {} from {}").format(self.identifier, _grantee(grantee))
            for grantee in takers
        ]
        for column, grantee, privilege, is_grantable, grantor in self.grants:
            if grantee == self.owner and not self.owner_lacks_rights and column is None:
                continue
            # the owner grants; others do with what they were granted before
            as_another = grantor != self.owner
            if as_another:
                statements.append(sql.SQL("set local role {}").format(sql.Identifier(grantor)))
            statements.append(
                sql.SQL("grant {}{} on {} to {}{}").format(
                    sql.SQL(privilege),
                    sql.SQL(" ({})").format(sql.Identifier(column)) if column else sql.SQL(""),
                    self.identifier,
                    _grantee(grantee),
                    sql.SQL(" with grant option") if is_grantable and grantee != self.owner else sql.SQL(""),
                )
            )
            if as_another:
                statements.append(sql.SQL("reset role").format())
        return statements


def _text(statement: str) -> sql.Composed:
    """A statement of the database's own, as it is."""
    return sql.SQL(statement.replace("{", "{{").replace("}", "}}")).format()


def _grantee(name: str | None) -> sql.Composable:
    return sql.SQL("public") if name is None else sql.Identifier(name)


@dataclass(frozen=True)
class Dependents:
    """All that depends on some tables, directly or by way of others.

    Attributes:
        objects: views and materialized views, each after all that it depends on.
        above: {oid: oids of the views directly on it}.
        others: {oid: what depends on it and is not a view: a function, a policy, a rule of a table}.
        columns: {table's oid: {view's oid: numbers of the columns that it reads}}.
    """

    objects: tuple[Dependent, ...]
    above: Mapping[int, set[int]]
    others: Mapping[int, set[str]]
    columns: Mapping[int, Mapping[int, set[int]]]

    @property
    def obstacles(self) -> list[str]:
        """What depends on these views and cannot be made again."""
        return sorted(set().union(*(self.others.get(one.oid, set()) for one in self.objects)))

    def part(self, oids: Iterable[int]) -> Dependents:
        """What depends on these tables or views, the views themselves among it."""
        wanted: set[int] = set()
        ahead = set(oids)
        while ahead:
            wanted |= ahead
            ahead = set().union(*(self.above.get(oid, set()) for oid in ahead)) - wanted
        return replace(self, objects=tuple(one for one in self.objects if one.oid in wanted))


def oids_of(conn: psycopg.Connection, tables: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """{(schema, table): oid} of the tables that exist."""
    found = {}
    for schema, name in tables:
        quoted = sql.Identifier(schema, name).as_string(conn)
        (oid,) = first_row(conn.execute("select to_regclass(%s)::oid::bigint", [quoted]))
        if oid is not None:
            found[schema, name] = oid
    return found


def dependents_of(conn: psycopg.Connection, tables: Iterable[int]) -> Dependents:
    """All that depends on the tables, by oid.

    The session's search_path must be empty, so that definitions name every object with its schema.
    """
    rows = conn.cursor(row_factory=dict_row).execute(_DEPENDENCIES).fetchall()
    above: dict[int, set[int]] = {}
    others: dict[int, set[str]] = {}
    columns: dict[int, dict[int, set[int]]] = {}
    for row in rows:
        if row["other_object"] is not None:
            others.setdefault(row["on_oid"], set()).add(row["other_object"])
            continue
        above.setdefault(row["on_oid"], set()).add(row["view_oid"])
        read = columns.setdefault(row["on_oid"], {}).setdefault(row["view_oid"], set())
        if row["column_number"]:
            read.add(row["column_number"])

    order: list[int] = []
    seen: set[int] = set()
    bottom = set(tables)

    def visit(oid: int) -> None:
        # what depends on it comes first, and the whole is turned around
        seen.add(oid)
        for dependent in sorted(above.get(oid, ())):
            if dependent not in seen:
                visit(dependent)
        order.append(oid)

    for oid in sorted(bottom):
        if oid not in seen:
            visit(oid)
    views = [oid for oid in reversed(order) if oid not in bottom]
    return Dependents(read_objects(conn, views), above, others, columns)


def read_objects(conn: psycopg.Connection, oids: Sequence[int]) -> tuple[Dependent, ...]:
    """The views and materialized views of these oids, in their order."""
    found = {}
    for row in conn.cursor(row_factory=dict_row).execute(_OBJECTS, [list(oids)]):
        found[row["oid"]] = Dependent(
            oid=row["oid"],
            kind=row["kind"],
            schema=row["schema"],
            name=row["name"],
            owner=row["owner"],
            options=tuple(row["options"]),
            definition=row["definition"],
            is_populated=row["is_populated"],
            columns=tuple(row["columns"] or ()),
            grants=tuple(tuple(one) for one in row["grants"]),
            owner_lacks_rights=row["owner_lacks_rights"],
            comments=tuple(tuple(one) for one in row["comments"]),
            defaults=tuple(tuple(one) for one in row["defaults"]),
            additions=tuple(row["additions"]),
        )
    return tuple(found[oid] for oid in oids if oid in found)


def check_may_recreate(conn: psycopg.Connection, dependents: Dependents) -> None:
    """See beforehand whether this role may take everything away and make it again.

    Raises:
        TimebackError: something depends on a view and cannot be recreated, or has an owner whose rights this
            role does not have; each is named.
    """
    if dependents.obstacles:
        raise TimebackError(
            "This depends on views that must be dropped, and cannot be recreated automatically: "
            f"{', '.join(dependents.obstacles)}. Have its owner drop it and recreate it afterwards."
        )
    owners = sorted({one.owner for one in dependents.objects})
    foreign = [
        owner
        for owner in owners
        if not first_row(conn.execute("select pg_has_role(%s::name, 'member')", [owner]))[0]
    ]
    if foreign:
        theirs = [one.label for one in dependents.objects if one.owner in foreign]
        (role,) = first_row(conn.execute("select current_user"))
        raise TimebackError(
            f"{', '.join(theirs[:10])}{' and more' if len(theirs) > 10 else ''} must be dropped and "
            f"recreated, and {role} is not a member of {', '.join(foreign)}, the owner of that. "
            "Run this as an administrator."
        )
