"""The rows of two schools behind a catalog, readers who attack it, and what came of that."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql

from attacks.session import (
    AS_IT_COMES,
    FOREIGN,
    INTERNAL,
    OWN_SCHEMA,
    PLANNERS,
    PUBLISHED,
    Attack,
    Guess,
    Session,
    View,
)

BOUND, SCOPED = "attack_bound", "attack_scoped"
ROWS = Path(__file__).with_name("rows.sql")
EVERY_ATTACK = "TIMEBACK_ALL_ATTACKS" in os.environ
"""Whether each attack is made on each view in every way; else a few are made on some, to save minutes."""


class Server(Protocol):
    """Any PostgreSQL server."""

    def dsn(self, database: str, user: str = ..., /) -> str:
        """A connection string of a database, as a role."""


@dataclass
class World:
    """A catalog over the rows of two schools.

    Attributes:
        server: the server.
        database: the database.
        own: the id of the reader's organization.
        foreign: that of the other one.
        views: the scoped views.
        rows: view -> the rows that the reader may see, as text.
    """

    server: Server
    database: str
    own: str = ""
    foreign: str = ""
    views: tuple[View, ...] = ()
    rows: dict[str, list[str]] = field(default_factory=dict)

    def connect(self, role: str = "postgres") -> psycopg.Connection:
        """A new connection of this role, in autocommit, on which psycopg prepares nothing by itself."""
        return psycopg.connect(self.server.dsn(self.database, role), autocommit=True, prepare_threshold=None)


@dataclass
class Outcome:
    """What came of making attacks.

    Attributes:
        attempts: statements sent.
        disclosures: (attack, view) -> what was told, for those that were told something.
    """

    attempts: int = 0
    disclosures: dict[tuple[str, str], str] = field(default_factory=dict)


def let_in(world: World, manifest: dict[str, Any]) -> None:
    """Load the rows of both schools, make the readers, and note what there is to guess.

    Args:
        world: its catalog is deployed over operational tables without rows.
        manifest: dbt's.
    """
    with world.connect() as conn:
        conn.execute("set search_path = operational")
        conn.execute(ROWS.read_text(encoding="utf-8"))
        conn.execute("analyze")
        world.own, world.foreign = (
            str(org_id)
            for (org_id,) in conn.execute(
                "select id from one_roster_organization order by name like 'FOREIGN%'"
            )
        )
        conn.execute("create role attackers")
        for role in (BOUND, SCOPED):
            conn.execute(f"create role {role} login in role timeback_reader, attackers")
        conn.execute(f"create schema {OWN_SCHEMA} authorization attackers")
        bind(conn, world)
        look_at(conn, world, manifest, PUBLISHED)


def look_at(conn: psycopg.Connection, world: World, manifest: dict[str, Any], schema: str) -> None:
    """Note the scoped views of a schema: the reader's rows of each, and what there is to guess.

    Args:
        conn: a connection as superuser.
        world: its rows are loaded.
        manifest: dbt's.
        schema: the datasets', or that of the same in types for every tool.
    """
    world.views = tuple(
        replace(view, guesses=tuple(_guesses(conn, view, world)))
        for view in _scoped_views(conn, manifest, schema)
    )
    ask_for(conn, world.own)
    world.rows = {}
    for view in world.views:
        query = sql.SQL("select v::text from {} as v").format(view.quoted)
        world.rows[view.name] = [row for (row,) in conn.execute(query)]


def bind(conn: psycopg.Connection, world: World) -> None:
    """Bind a reader to a school, in both catalogs."""
    for table in ("scope_binding", "roar_scope_binding"):
        conn.execute(
            f"insert into {INTERNAL}.{table} values (%s, %s, %s::regrole)", [BOUND, world.own, BOUND]
        )
    conn.execute(f"grant timeback_bound to {BOUND}")


def ask_for(conn: psycopg.Connection, scope: str) -> None:
    """Set both settings for the session; ROAR's organizations have the texts of the roster's ids."""
    for setting in ("app.allowed_org_ids", "app.allowed_roar_org_ids"):
        conn.execute("select set_config(%s, %s, false)", [setting, scope])


def _scoped_views(conn: psycopg.Connection, manifest: dict[str, Any], schema: str) -> Iterator[View]:
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["config"]["meta"].get("scope"):
            columns = conn.execute(
                """select array_agg(attname::text order by attnum) from pg_attribute
                where attrelid = to_regclass(%s) and attnum > 0""",
                [f"{schema}.{node['name']}"],
            ).fetchone()[0]
            meta = node["config"]["meta"]
            yield View(
                node["name"], tuple(columns), meta.get("scope_setting", "app.allowed_org_ids"), schema=schema
            )


# type -> values that no row has: one before all that there are, one behind, by code point and by language
NOBODYS = {
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "text": ("!", "\uffff nobody"),
    "citext": ("!", "\uffff nobody"),
    "date": ("1900-01-01", "2999-01-01"),
    "timestamp with time zone": ("1900-01-01 00:00:00+00", "2999-01-01 00:00:00+00"),
    "timestamp without time zone": ("1900-01-01 00:00:00", "2999-01-01 00:00:00"),
    "numeric": ("-99999", "99999"),
    "double precision": ("-99999", "99999"),
    "bigint": ("-99999", "99999"),
    "integer": ("-99999", "99999"),
}


def _guesses(conn: psycopg.Connection, view: View, world: World) -> Iterator[Guess]:
    """For each column a value, a beginning and a bound, of rows of the other school and none of ours."""
    types = dict(
        conn.execute(
            """select attname::text, format_type(atttypid, null) from pg_attribute
            where attrelid = to_regclass(%s) and attnum > 0""",
            [view.quoted.as_string(conn)],
        ).fetchall()
    )
    for column in view.columns:
        if types[column] not in NOBODYS:
            continue
        before, behind = NOBODYS[types[column]]
        ours, theirs = (_values(conn, view, column, org_id) for org_id in (world.own, world.foreign))
        known_to_them = [value for value in theirs if value not in ours]
        if not known_to_them:
            continue
        yield Guess("{column} = {value}", column, known_to_them[0], behind)
        if types[column] in ("text", "citext"):
            text = known_to_them[0]
            beginning = next(
                text[:length]
                for length in range(1, len(text) + 1)
                if not any(own.startswith(text[:length]) for own in ours)
            )
            yield Guess("starts_with({column}, {value})", column, beginning, behind)
        bounds = ours or theirs
        if theirs[-1] not in bounds:
            yield Guess("{column} > {value}", column, bounds[-1], behind)
        elif theirs[0] not in bounds:
            yield Guess("{column} < {value}", column, bounds[0], before)


def _values(conn: psycopg.Connection, view: View, column: str, org_id: str) -> list[str]:
    """The values of a column in an organization's rows, as text, in the order of its type."""
    ask_for(conn, org_id)
    query = sql.SQL("select v.{c}::text from {v} as v where v.{c} is not null order by v.{c}")
    return [text for (text,) in conn.execute(query.format(c=sql.Identifier(column), v=view.quoted))]


def with_some_guesses(world: World) -> World:
    """The same with a third of what there is to guess of each view, unless the environment asks for all."""
    if EVERY_ATTACK:
        return world
    return replace(
        world, views=tuple(replace(view, guesses=view.guesses[::3] or view.guesses) for view in world.views)
    )


def make_all(
    world: World,
    role: str,
    scope: str,
    attacks: list[Attack],
    begin: Callable[[psycopg.Connection], Session] | None = None,
    planners_in_turn: bool = False,
) -> Outcome:
    """Make these attacks on every view, as a role whose session starts with a scope.

    Args:
        world: the catalog that is attacked.
        role: who attacks it.
        scope: what the role's setting is when an attack begins.
        attacks: the attacks.
        begin: makes the session of a connection, where it is not a plain one.
        planners_in_turn: make an attack that comes with several planners as it comes on every view, and with
            the others on every fourth, unless the environment asks for all.
    """
    outcome = Outcome()
    with world.connect(role) as conn:
        session = begin(conn) if begin else Session(conn, world.own, world.foreign)
        conn.execute("set statement_timeout = '60s'")
        # compiling each plan would take most of the time
        conn.execute("set jit = off")
        for number, view in enumerate(world.views):
            own_rows = world.rows[view.name]
            # what the other school's organization is called, the attacker knows and says
            known = {world.foreign, *(token for row in own_rows for token in FOREIGN.findall(row))}
            for attack in _in_turn(attacks, number) if planners_in_turn else attacks:
                session.said, session.counted, session.raised, session.told_apart = [], [], [], []
                session.setting = view.setting
                with conn.transaction(force_rollback=True):
                    conn.execute("select set_config(%s, %s, true)", [view.setting, scope])
                    attack.make(session, view)
                told = {token for text in session.said for token in FOREIGN.findall(text)} - known
                if told:
                    outcome.disclosures[attack.name, view.name] = (
                        f"told {sorted(told)[0]} and {len(told) - 1} more"
                    )
                elif any(count > len(own_rows) for count in session.counted):
                    outcome.disclosures[attack.name, view.name] = f"counted {max(session.counted)}"
                elif session.told_apart:
                    outcome.disclosures[attack.name, view.name] = (
                        f"told by its plan what is there, in {len(session.told_apart)} guesses: "
                        f"{session.told_apart[0]}"
                    )
                elif attack.every_error_tells and session.raised:
                    outcome.disclosures[attack.name, view.name] = f"raised {session.raised[0]}"
        outcome.attempts = session.attempts
    return outcome


def _in_turn(attacks: list[Attack], number: int) -> list[Attack]:
    """Those that take the planner as it comes, and those of one other planner, by turns."""
    if EVERY_ATTACK:
        return attacks
    others = [planner for planner in PLANNERS if planner != AS_IT_COMES]
    planners = (AS_IT_COMES, others[number % len(others)])
    return [attack for attack in attacks if attack.planner in planners]


def report(
    capsys: pytest.CaptureFixture[str], who: str, outcome: Outcome, attacks: list[Attack], world: World
) -> None:
    """Print what came of it."""
    with capsys.disabled():
        print(
            f"\n{who}: {outcome.attempts:,} attempts, {len(attacks)} attacks on {len(world.views)} views, "
            f"{len(outcome.disclosures)} of which disclosed something"
        )
