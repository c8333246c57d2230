"""A migration in one transaction: what is in its way goes, it runs, and all comes back."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from timeback_analytics.connection import PSYCOPG_SETTINGS, SESSION_SETTINGS, apply_settings
from timeback_analytics.errors import TimebackError
from timeback_analytics.migrate.dependents import (
    Dependent,
    Dependents,
    check_may_recreate,
    dependents_of,
    oids_of,
    read_objects,
)
from timeback_analytics.migrate.sources import Sources
from timeback_analytics.queries import first_row

LOCK_WAIT = "200ms"
"""How long a lock is waited for at a time. Less than deadlock_timeout (1 s), so that of two who wait for each
other it is the migration that steps back, and never a reader who gets an error."""

# what a migration may go by, such as where names are looked for and what a backslash in a string is
_SETTINGS = {
    name: value for name, value in (*SESSION_SETTINGS, *PSYCOPG_SETTINGS) if name != "client_encoding"
}
_IN_THE_WAY = (psycopg.errors.DependentObjectsStillExist, psycopg.errors.FeatureNotSupported)
# a table in another one's place: views would stay on the old one
_SWAPS = re.compile(r"\b(rename\s+to|set\s+schema)\b", re.IGNORECASE)
_Problem = tuple[str, str]


class _LeftBehindError(Exception):
    """What depends on the sources would not follow the migration."""


@dataclass
class Done:
    """What a migration did.

    Attributes:
        dropped: the views that were dropped and recreated; empty where nothing was in the way.
        notes: sentences for the user.
        seconds: how long the transaction took that succeeded.
        attempts: how often it was begun, since somebody held a lock.
    """

    dropped: Sequence[Dependent] = ()
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    attempts: int = 0


@dataclass(frozen=True)
class _State:
    """The database before the migration.

    Attributes:
        tables: {(schema, name): oid} of the sources.
        dependents: all that depends on them.
        problems: what was not as the catalog reads it already.
        readable: {(owner of a view, table): whether the owner may read the table}.
        types: {view: its columns' types}.
    """

    tables: dict[tuple[str, str], int]
    dependents: Dependents
    problems: set[_Problem]
    readable: dict[tuple[str, tuple[str, str]], bool]
    types: dict[str, str]


@dataclass(frozen=True)
class Migration:
    """A migration of operational tables under a deployed catalog.

    Attributes:
        conn: a connection in autocommit, as a role that owns the tables and the views, or a superuser.
        sources: what the catalog reads.
        internal: the schema of everything beneath the published views.
        statements: the SQL of the migration; empty where a command runs it.
        lock_seconds: for so long a lock is tried for, a moment at a time.
    """

    conn: psycopg.Connection
    sources: Sources
    internal: str
    statements: str = ""
    lock_seconds: float = 60.0

    def run(self, *, dry_run: bool = False) -> Done:
        """Run it whole, or leave everything as it was.

        Args:
            dry_run: do all of it, and undo it.

        Raises:
            TimebackError: it did not happen, and why.
        """
        return self._in_transaction(self._migrate, dry_run=dry_run)

    def drop_dependents(self, keep: Callable[[str], None]) -> tuple[Dependent, ...]:
        """Drop all that depends on the sources, for a command that migrates in a session of its own.

        Args:
            keep: is handed the SQL that recreates it, before anything is dropped.

        Raises:
            TimebackError: nothing was dropped, and why.
        """

        def work() -> Done:
            state = self._look()
            check_may_recreate(self.conn, state.dependents)
            keep(self._as_text(self._recreating(state.dependents.objects)))
            self._drop(state.dependents.objects)
            return Done(state.dependents.objects)

        return tuple(self._in_transaction(work).dropped)

    def recreate(self, objects: Sequence[Dependent]) -> list[str]:
        """Recreate what drop_dependents dropped; gives what is not as the catalog reads it, a line each.

        Raises:
            TimebackError: nothing was recreated, and why.
        """

        def work() -> Done:
            self.conn.execute("select set_config('search_path', '', true)")
            self._create(objects)
            return Done(notes=[f"{place}: {problem}" for place, problem in sorted(self._problems(objects))])

        return self._in_transaction(work).notes

    def plan(self) -> str:
        """All of it as plain SQL, for somebody without this tool."""
        with self.conn.transaction(force_rollback=True):
            path = self._own_path()
            state = self._look()
            part = state.dependents.part(self._named(state))
            lines = [
                *(sql.SQL("{}").format(one.drop()) for one in reversed(part.objects)),
                sql.SQL("set local search_path = {}").format(sql.SQL(path)),
            ]
            before = self._as_text(lines)
            after = self._as_text(self._recreating(part.objects))
        migration = self.statements.strip().rstrip(";")
        return (
            f"begin;\nset local lock_timeout = '{LOCK_WAIT}';\n\n-- what stands in the way\n{before}\n"
            f"-- the migration\n{migration};\n\n"
            f"-- what was there, as it was\nset local search_path = '';\n{after}\ncommit;\n"
        )

    # -- one attempt ----------------------------------------------------------------------------------

    def _in_transaction(self, work: Callable[[], Done], *, dry_run: bool = False) -> Done:
        """Do it in a transaction, again and again while somebody holds a lock."""
        give_up_at = time.monotonic() + self.lock_seconds
        attempts = 0
        while True:
            attempts += 1
            began = time.monotonic()
            try:
                with self.conn.transaction(force_rollback=dry_run):
                    self._wait_shortly()
                    done = work()
                done.seconds, done.attempts = time.monotonic() - began, attempts
                return done
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
                if time.monotonic() > give_up_at:
                    raise TimebackError(
                        f"A lock could not be taken within {self.lock_seconds:g} s: {_told(error)}. "
                        "Everything is as it was. Run this when fewer read, or give --lock-seconds more."
                    ) from error
                time.sleep(0.1 + random.random() * 0.3)
            except psycopg.Error as error:
                raise TimebackError(f"{_told(error)}. Everything is as it was.") from error

    def _migrate(self) -> Done:
        state = self._look()
        found: set[int] = set()
        if not _SWAPS.search(self.statements):
            try:
                with self.conn.transaction():
                    self._run_statements()
                    self._after_statements()
                    found = self._left_behind(state)
                    if found:
                        # back, for the views' locks come before the tables', as with a reader
                        raise _LeftBehindError
                self._hold_to_sources(state)
                return Done()
            except (*_IN_THE_WAY, _LeftBehindError):
                pass
        part = state.dependents.part({*self._named(state), *found})
        while True:
            try:
                with self.conn.transaction():
                    self._migrate_without(part.objects, state)
                return Done(part.objects, self._notes(state, part.objects))
            except _LeftBehindError:
                part = state.dependents

    def _migrate_without(self, objects: Sequence[Dependent], state: _State) -> None:
        """Run it while these are away."""
        check_may_recreate(self.conn, replace(state.dependents, objects=tuple(objects)))
        self._drop(objects)
        self._run_statements()
        self._after_statements()
        away = {one.oid for one in objects}
        if {one.oid for one in state.dependents.part(self._left_behind(state)).objects} - away:
            raise _LeftBehindError
        self._hold_to_sources(state)
        self._create(objects)

    def _left_behind(self, state: _State) -> set[int]:
        """Tables that others have the names of now, and views that are gone: a view follows its table."""
        now = oids_of(self.conn, self.sources.tables.values())
        there = {one.oid for one in read_objects(self.conn, [one.oid for one in state.dependents.objects])}
        moved = {oid for place, oid in state.tables.items() if now.get(place) != oid}
        return moved | ({one.oid for one in state.dependents.objects} - there)

    def _after_statements(self) -> None:
        """Undo what the migration may have set for its transaction, and what was set for it."""
        self.conn.execute("reset role")
        self._wait_shortly()
        apply_settings(self.conn, {**_SETTINGS, "search_path": ""}, is_local=True)

    def _look(self) -> _State:
        self.conn.execute("select set_config('search_path', '', true)")
        tables = oids_of(self.conn, self.sources.tables.values())
        dependents = dependents_of(self.conn, tables.values())
        return _State(
            tables,
            dependents,
            self._problems(dependents.objects),
            self._readable(dependents.objects),
            self._types(dependents.objects),
        )

    def _named(self, state: _State) -> Iterable[int]:
        """The sources that the migration names; all of them where it names none."""
        named = [
            oid
            for (_, name), oid in state.tables.items()
            if re.search(rf"\b{re.escape(name)}\b", self.statements)
        ]
        return named or state.tables.values()

    def _run_statements(self) -> None:
        """The migration, under the role's own settings, in a block of the server's that no COMMIT can end."""
        self.conn.execute(
            "select pg_catalog.set_config(name, reset_val, true) from pg_catalog.pg_settings"
            " where lower(name) = any(%s)",
            [list(_SETTINGS)],
        )
        block = "begin execute " + sql.Literal(self.statements).as_string(self.conn) + "; end"
        tag = "$migration$"
        while tag in block:
            tag = f"$migration{random.randrange(10**9)}$"
        self.conn.execute((f"do {tag} " + block + f" {tag}").encode())

    def _drop(self, objects: Sequence[Dependent]) -> None:
        for one in reversed(objects):
            self.conn.execute(one.drop())

    def _create(self, objects: Sequence[Dependent]) -> None:
        """Make them again, and see that each is as it was."""
        for statement in self._recreating(objects):
            try:
                self.conn.execute(statement)
            except psycopg.Error as error:
                if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
                    raise
                what = statement.as_string(self.conn).split(" (")[0].splitlines()[0]
                raise TimebackError(
                    f"What was dropped cannot be recreated ({what}): {_told(error)}. Everything is as it was."
                ) from error
        oids = oids_of(self.conn, ((one.schema, one.name) for one in objects))
        new = {(one.schema, one.name): one for one in read_objects(self.conn, list(oids.values()))}
        changed = [one.label for one in objects if new[one.schema, one.name].lasting != one.lasting]
        if changed:
            raise TimebackError(
                f"{', '.join(changed)} would not come back as before, with all options, grants and comments. "
                "Everything is as it was."
            )

    def _recreating(self, objects: Sequence[Dependent]) -> list[sql.Composed]:
        (role,) = first_row(self.conn.execute("select current_user"))
        given = [
            name
            for (name,) in self.conn.execute(
                """select distinct case grantee when 0 then null else pg_get_userbyid(grantee) end
                from pg_catalog.pg_default_acl
                cross join aclexplode(defaclacl)
                where defaclrole = current_user::regrole and defaclobjtype = 'r'"""
            )
        ]
        return [statement for one in objects for statement in one.create(role, given)]

    # -- what is looked at ----------------------------------------------------------------------------

    def _hold_to_sources(self, state: _State) -> None:
        """Raise where the sources are no longer what the catalog reads, or closed to who owns a view."""
        problems = [
            f"{place}: {problem}"
            for place, problem in sorted(self._problems(state.dependents.objects) - state.problems)
        ]
        now = self._readable(state.dependents.objects)
        problems += [
            f"{'.'.join(table)}: {owner}, who owns views on it, may not read it any more"
            for (owner, table), was in sorted(state.readable.items())
            if was and not now.get((owner, table), False)
        ]
        if problems:
            listed = "\n".join(f"  {one}" for one in dict.fromkeys(problems))
            raise TimebackError(
                "After this migration the catalog could not read its sources. Everything is as it was.\n"
                f"{listed}\nKeep what the catalog reads, grant what is missing in the same file, or say with "
                "--vars where it is now."
            )

    def _problems(self, objects: Iterable[Dependent]) -> set[_Problem]:
        """What is not as the catalog reads it, asked as the role that owns the catalog's views."""
        owners = {one.owner for one in objects if one.schema == self.internal}
        for owner in owners:
            self.conn.execute(sql.SQL("set local role {}").format(sql.Identifier(owner)))
            break
        found = {(place, problem) for place, problem in self.conn.execute(self.sources.check.encode())}
        self.conn.execute("reset role")
        return found

    def _readable(self, objects: Iterable[Dependent]) -> dict[tuple[str, tuple[str, str]], bool]:
        owners = sorted({one.owner for one in objects})
        found = {}
        for place, oid in oids_of(self.conn, self.sources.tables.values()).items():
            for owner, is_readable in self.conn.execute(
                "select owner, has_any_column_privilege(owner::name, %s::oid, 'select') "
                "from unnest(%s::text[]) as owner",
                [oid, owners],
            ):
                found[owner, place] = is_readable
        return found

    def _types(self, objects: Iterable[Dependent]) -> dict[str, str]:
        """{schema.view: "column type, ..."} of views that are there."""
        rows = self.conn.execute(
            """select
                pg_namespace.nspname || '.' || pg_class.relname,
                string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum)
            from unnest(%s::text[], %s::text[]) as wanted (schema, name)
            inner join pg_catalog.pg_namespace on wanted.schema = pg_namespace.nspname
            inner join pg_catalog.pg_class
                on pg_namespace.oid = pg_class.relnamespace and wanted.name = pg_class.relname
            inner join pg_catalog.pg_attribute on pg_class.oid = pg_attribute.attrelid and attnum > 0
            group by 1""",
            [[one.schema for one in objects], [one.name for one in objects]],
        )
        return dict(rows.fetchall())

    def _notes(self, state: _State, remade: Sequence[Dependent]) -> list[str]:
        now = self._types(remade)
        return [
            f"{name} has columns of other types now: {types}"
            for name, types in sorted(now.items())
            if types != state.types.get(name) and not name.startswith(f"{self.internal}.")
        ]

    def _own_path(self) -> str:
        """The search_path of any session of this role in this database."""
        return first_row(
            self.conn.execute("select reset_val from pg_catalog.pg_settings where name = 'search_path'")
        )[0]

    def _wait_shortly(self) -> None:
        self.conn.execute("select set_config('lock_timeout', %s, true)", [LOCK_WAIT])

    def _as_text(self, statements: Iterable[sql.Composed]) -> str:
        return "".join(f"{one.as_string(self.conn)};\n" for one in statements)


def _told(error: psycopg.Error) -> str:
    """The database's first line, and where in the migration it is."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    query, position = error.diag.internal_query, error.diag.internal_position
    detail = " ".join((error.diag.message_detail or "").split())
    text += f" ({detail.rstrip('.')})" if detail else ""
    if query and position:
        text += f", in line {query[: int(position)].count(chr(10)) + 1}"
    return text
