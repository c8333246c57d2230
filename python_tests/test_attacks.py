"""Every attack on every scoped view, as a reader of one school; and on copies without defences.

What is attacked, and how, is in attacks/. Against the copies the same attacks succeed. How many attempts
were made, on how many views, and what they disclosed is printed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from attacks.suite import ATTACKS, FOREIGN, INTERNAL, OWN_SCHEMA, PUBLISHED, Attack, Guess, Session, View
from timeback_analytics.server import EmbeddedServer

BOUND, SCOPED = "attack_bound", "attack_scoped"
CHANGES_THE_SETTING = ("binding", "pinned path under a binding")
ROWS = Path(__file__).with_name("attacks") / "rows.sql"


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

    server: EmbeddedServer
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


@pytest.fixture(scope="module")
def deployed(
    embedded_server: EmbeddedServer,
    catalog_template: str,
    new_database: Callable[..., str],
    manifest: dict[str, Any],
) -> Iterator[World]:
    """The catalog as deployed, over the rows, with one reader bound to a school and one scoped to it."""
    world = World(embedded_server, new_database("attacked", template=catalog_template))
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
        _bind(conn, world)
        world.views = tuple(
            replace(view, guesses=tuple(_guesses(conn, view, world)))
            for view in _scoped_views(conn, manifest)
        )
        _ask_for(conn, world.own)
        for view in world.views:
            query = sql.SQL("select v::text from {} as v").format(view.quoted)
            world.rows[view.name] = [row for (row,) in conn.execute(query)]
    yield world
    # what the roles have in the copies goes with the copies, which new_database drops only later
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        for database in (world.database, "attacked_many", "attacked_bare", "attacked_bare_many"):
            conn.execute(f"drop database if exists {database} with (force)")
        conn.execute(f"drop role {BOUND}, {SCOPED}, attackers")


@pytest.fixture(scope="module")
def deployed_for_many(deployed: World, new_database: Callable[..., str]) -> World:
    """The same, answering through the half of each view that is for many people in scope."""
    world = replace(deployed, database=new_database("attacked_many", template=deployed.database))
    _answer_as_for_many(world)
    return world


@pytest.fixture(scope="module")
def bare(deployed: World, deployed_for_many: World, new_database: Callable[..., str]) -> tuple[World, World]:
    """Copies of both without a defence: no barrier, no binding, no lack of rights, no pinned search_path."""
    worlds = tuple(
        replace(world, database=new_database(name, template=world.database))
        for world, name in ((deployed, "attacked_bare"), (deployed_for_many, "attacked_bare_many"))
    )
    for world in worlds:
        with world.connect() as conn:
            for view in world.views:
                conn.execute(sql.SQL("alter view {} set (security_barrier = false)").format(view.quoted))
            for table in ("scope_binding", "roar_scope_binding"):
                conn.execute(f"delete from {INTERNAL}.{table}")
            for function in ("caller_scope", "roar_caller_scope"):
                conn.execute(f"alter function {INTERNAL}.{function} reset search_path")
            for schema in (INTERNAL, "operational"):
                conn.execute(f"grant usage on schema {schema} to attackers")
                conn.execute(f"grant select, insert, delete on all tables in schema {schema} to attackers")
    return worlds


def _bind(conn: psycopg.Connection, world: World) -> None:
    for table in ("scope_binding", "roar_scope_binding"):
        conn.execute(f"insert into {INTERNAL}.{table} values (%s, %s)", [BOUND, world.own])


def _ask_for(conn: psycopg.Connection, scope: str) -> None:
    """Set both settings for the session; ROAR's organizations have the texts of the roster's ids."""
    for setting in ("app.allowed_org_ids", "app.allowed_roar_org_ids"):
        conn.execute("select set_config(%s, %s, false)", [setting, scope])


def _answer_as_for_many(world: World) -> None:
    """Set the number of people above which they are many to 0 in each view.

    What narrow_scope_limit: 0 in dbt_project.yml would give, without another run of dbt.
    """
    with world.connect() as conn:
        for view in world.views:
            definition, options = conn.execute(
                """select pg_get_viewdef(oid), array_to_string(reloptions, ', ')
                from pg_class where oid = to_regclass(%s)""",
                [f"{PUBLISHED}.{view.name}"],
            ).fetchone()
            assert definition.count("> 5000)") == definition.count("LIMIT 5001") == 1, view.name
            definition = definition.replace("> 5000)", "> 0)").replace("LIMIT 5001", "LIMIT 1")
            conn.execute(
                sql.SQL("create or replace view {} with ({}) as {}").format(
                    view.quoted, sql.SQL(options), sql.SQL(definition)
                )
            )


def _scoped_views(conn: psycopg.Connection, manifest: dict[str, Any]) -> Iterator[View]:
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["config"]["meta"].get("scope"):
            columns = conn.execute(
                """select array_agg(attname::text order by attnum) from pg_attribute
                where attrelid = to_regclass(%s) and attnum > 0""",
                [f"{PUBLISHED}.{node['name']}"],
            ).fetchone()[0]
            meta = node["config"]["meta"]
            yield View(node["name"], tuple(columns), meta.get("scope_setting", "app.allowed_org_ids"))


# type -> values that no row has: one before all that there are, one behind
NOBODYS = {
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "text": ("!", "~ nobody"),
    "citext": ("!", "~ nobody"),
    "date": ("1900-01-01", "2999-01-01"),
    "timestamp with time zone": ("1900-01-01 00:00:00+00", "2999-01-01 00:00:00+00"),
    "numeric": ("-99999", "99999"),
    "bigint": ("-99999", "99999"),
    "integer": ("-99999", "99999"),
}


def _guesses(conn: psycopg.Connection, view: View, world: World) -> Iterator[Guess]:
    """For each column a value, a beginning and a bound, of rows of the other school and none of ours."""
    types = dict(
        conn.execute(
            """select attname::text, format_type(atttypid, null) from pg_attribute
            where attrelid = to_regclass(%s) and attnum > 0""",
            [f"{PUBLISHED}.{view.name}"],
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
    _ask_for(conn, org_id)
    query = sql.SQL("select v.{c}::text from {v} as v where v.{c} is not null order by v.{c}")
    return [text for (text,) in conn.execute(query.format(c=sql.Identifier(column), v=view.quoted))]


def make_all(world: World, role: str, scope: str, attacks: list[Attack]) -> Outcome:
    """Make these attacks on every view, as a role whose session starts with a scope."""
    outcome = Outcome()
    with world.connect(role) as conn:
        session = Session(conn, world.own, world.foreign)
        conn.execute("set statement_timeout = '60s'")
        for view in world.views:
            own_rows = world.rows[view.name]
            # what the other school's organization is called, the attacker knows and says
            known = {world.foreign, *(token for row in own_rows for token in FOREIGN.findall(row))}
            for attack in attacks:
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


def test_there_is_something_to_find(deployed, deployed_for_many):
    """Each view has rows of both schools, and those of the other school can be told."""
    assert len(deployed.views) == 28
    for world in (deployed, deployed_for_many):
        with world.connect() as conn:
            for view in world.views:
                query = sql.SQL("select v::text from {} as v").format(view.quoted)
                _ask_for(conn, "*")
                everything = Counter(row for (row,) in conn.execute(query))
                _ask_for(conn, world.own)
                own = Counter(row for (row,) in conn.execute(query))
                foreign = everything - own
                assert own == Counter(world.rows[view.name]) and own and foreign, view.name
                assert all(FOREIGN.search(row) for row in foreign), view.name
                assert view.guesses, view.name


def test_no_attack_of_a_bound_reader_returns_counts_or_prints_a_foreign_row(deployed, capsys):
    """It may set what it likes."""
    outcome = make_all(deployed, BOUND, "*", ATTACKS)
    _report(capsys, "a bound reader", outcome, ATTACKS, deployed)
    assert outcome.disclosures == {}


def test_nor_does_one_of_a_reader_whose_client_sets_the_scope(deployed_for_many, capsys):
    """Not bound, so that changing the setting is no attack; here through the half for many people."""
    attacks = [attack for attack in ATTACKS if attack.needs not in CHANGES_THE_SETTING]
    outcome = make_all(deployed_for_many, SCOPED, deployed_for_many.own, attacks)
    _report(capsys, "a reader with a scope", outcome, attacks, deployed_for_many)
    assert outcome.disclosures == {}


def test_without_the_defences_each_attack_succeeds(bare, capsys):
    """Or the tests above would prove nothing."""
    hits: dict[str, set[str]] = {attack.name: set() for attack in ATTACKS if attack.needs}
    attempts = 0
    one_by_one, for_many = bare
    for world, needs in (
        (for_many, ("barrier",)),
        (one_by_one, ("binding", "rights", "pinned path")),
        (one_by_one, ("pinned path under a binding",)),
    ):
        if "pinned path under a binding" in needs:
            with world.connect() as conn:
                _bind(conn, world)
        outcome = make_all(world, BOUND, world.own, [attack for attack in ATTACKS if attack.needs in needs])
        attempts += outcome.attempts
        for name, view in outcome.disclosures:
            hits[name].add(view)
    with capsys.disabled():
        print(f"\nwithout defences: {attempts:,} attempts; rows of others were disclosed by")
        for name, views in hits.items():
            print(f"  {name}: {len(views)} of {len(bare[0].views)} views")
    assert [name for name, views in hits.items() if not views] == []


def _report(capsys, who: str, outcome: Outcome, attacks: list[Attack], world: World) -> None:
    with capsys.disabled():
        print(
            f"\n{who}: {outcome.attempts:,} attempts, {len(attacks)} attacks on {len(world.views)} views, "
            f"{len(outcome.disclosures)} of which disclosed something"
        )
