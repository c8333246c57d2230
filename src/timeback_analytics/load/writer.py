"""Writes what a format has read: everything into temporary tables first, then to the operational tables."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from timeback_analytics.load.database import Database
from timeback_analytics.load.losses import Loss
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.tables import TableRows

_ROWS_A_TICK = 1_000
_CREATED = "date_created"
_ACTION = "_action"


@dataclass(frozen=True)
class TableResult:
    """What happens to one table.

    Attributes:
        table: the table.
        inserted: rows that were not there.
        updated: rows that had other values.
        unchanged: rows that were there just so.
        older: rows left as they are, since the table has a later date.
        removed: rows of a set (mode set) that the set no longer has, and rows that are said to be gone.
    """

    table: str
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    older: int = 0
    removed: int = 0

    @property
    def changes(self) -> int:
        """Rows that differ afterwards."""
        return self.inserted + self.updated + self.removed


def write(
    database: Database,
    tables: list[TableRows],
    progress: Progress,
    *,
    dry_run: bool,
    check: Callable[[list[Loss]], None],
) -> list[TableResult]:
    """Stage every table, compare, and write what is new or changed, in the caller's transaction.

    Other loads of the same tables wait until that transaction ends; the platform goes on reading and writing.

    Args:
        database: where.
        tables: the rows; a table appears once.
        progress: told how far it is.
        dry_run: whether to stop short of writing.
        check: told what the rows would cost, before anything is written; raises where that is too much.
    """
    conn = database.conn
    if not dry_run:
        # no advisory lock, which any reader could hold; in order, or two loads could wait for each other
        for table in sorted(rows.table for rows in tables):
            conn.execute(sql.SQL("lock table {} in share update exclusive mode").format(database.name(table)))
    stages = {rows.table: _Stage(database, rows) for rows in tables}
    for stage in stages.values():
        stage.fill(progress)
    results = [stage.compare(stages) for stage in stages.values()]
    check([loss for stage in stages.values() for loss in stage.losses()])
    if not dry_run:
        with progress.step("Writing", sum(result.changes for result in results)) as advance:
            for stage, result in zip(stages.values(), results, strict=True):
                if result.changes:
                    stage.apply()
                    advance(result.changes)
    for stage in stages.values():
        stage.drop()
    return results


class _Stage:
    """A temporary table with the rows for one operational table."""

    def __init__(self, database: Database, rows: TableRows) -> None:
        self._conn: psycopg.Connection = database.conn
        self._rows = rows
        self._types = database.types(rows.table)
        self._names = {
            "target": database.name(rows.table),
            "stage": sql.Identifier("pg_temp", f"load_{rows.table}"),
            "owners": sql.Identifier("pg_temp", f"load_{rows.table}_owners"),
            "action": sql.Identifier(_ACTION),
            "same_key": self._same_key(),
        }

    @property
    def _is_dated(self) -> bool:
        return self._rows.modified in self._rows.columns

    @property
    def _values(self) -> list[str]:
        """The columns that are compared: neither key nor date."""
        return [
            name for name in self._rows.columns if name not in self._rows.key and name != self._rows.modified
        ]

    def _run(self, statement: str, **parts: sql.Composable) -> psycopg.Cursor:
        return self._conn.execute(sql.SQL(statement).format(**self._names, **parts))

    def _same_key(self) -> sql.Composable:
        # in a set, what is not the owner may be null; the owner's plain = is what lets the join be a fast one
        owners = self._rows.owners
        return sql.SQL(" and ").join(
            sql.SQL(
                "t.{0} is not distinct from s.{0}" if owners and name != owners.column else "t.{0} = s.{0}"
            ).format(sql.Identifier(name))
            for name in self._rows.key
        )

    def fill(self, progress: Progress) -> None:
        """Make the temporary table, with the target's types, and copy the rows into it."""
        rows = self._rows
        columns = _join(", ", "{0}", rows.columns)
        self._run(
            "create temporary table {stage} on commit drop as"
            " select {columns}, null::text as {action} from {target} where false",
            columns=columns,
        )
        copy = sql.SQL("copy {stage} ({columns}) from stdin").format(**self._names, columns=columns)
        with (
            progress.step(f"Staging {rows.table}", len(rows.rows)) as advance,
            self._conn.cursor() as cursor,
            cursor.copy(copy) as stream,
        ):
            for number, row in enumerate(rows.rows, 1):
                stream.write_row(row)
                if number % _ROWS_A_TICK == 0:
                    advance(_ROWS_A_TICK)
            advance(len(rows.rows) % _ROWS_A_TICK)
        if rows.mode != "set":
            self._run("alter table {stage} add primary key ({key})", key=_join(", ", "{0}", rows.key))
        if rows.owners:
            self._run(
                "create temporary table {owners} on commit drop as"
                " select {column} as id from {target} where false",
                column=sql.Identifier(rows.owners.column),
            )
            owners = sql.SQL("copy {owners} (id) from stdin").format(**self._names)
            with self._conn.cursor() as cursor, cursor.copy(owners) as stream:
                for owner in rows.owners.ids:
                    stream.write_row((owner,))
            self._run("analyze {owners}")
        self._run("analyze {stage}")

    def compare(self, stages: "dict[str, _Stage]") -> TableResult:
        """Decide what to do with each row, and count."""
        rows = self._rows
        if rows.owners and rows.owners.table in stages:
            self._leave_out_older_owners(stages[rows.owners.table])
        decided = self._decision() if rows.mode == "upsert" else sql.SQL("'unchanged'")
        self._run(
            "update {stage} s set {action} = {decided} from {target} t"
            " where {same_key} and s.{action} is null",
            decided=decided,
        )
        if rows.tombstone:
            # what is gone and was never there
            self._run(
                "delete from {stage} where {action} is null and {tombstone} is null",
                tombstone=sql.Identifier(rows.tombstone),
            )
        counts = dict(
            self._run("select coalesce({action}, 'inserted'), count(*) from {stage} group by 1").fetchall()
        )
        if rows.owners:
            counts["removed"] = self._run(
                "select count(*) {leftovers}", leftovers=self._leftovers()
            ).fetchone()[0]
        return TableResult(rows.table, **counts)

    def losses(self) -> list[Loss]:
        """What the rows would cost that compare has found."""
        found = []
        if self._rows.identity:
            found.append(self._given_away())
        if self._rows.owners:
            found.append(self._emptied())
        return [loss for loss in found if loss.gone]

    def _given_away(self) -> Loss:
        """Stored rows that would become somebody else's: nothing that says who they are stays."""
        known = [name for name in self._rows.identity if name in self._rows.columns]
        comparable = [
            sql.SQL("nullif(t.{0}::text, '') is not null and nullif(s.{0}::text, '') is not null").format(
                sql.Identifier(name)
            )
            for name in known
        ]
        same = [
            sql.SQL("lower(t.{0}::text) = lower(s.{0}::text)").format(sql.Identifier(name)) for name in known
        ]
        gone, stored = self._run(
            "select count(*) filter (where ({comparable}) and not coalesce({same}, false)), count(*)"
            " from {stage} s join {target} t on {same_key} where s.{action} is distinct from 'older'",
            comparable=_any(comparable),
            same=sql.SQL(" or ").join(sql.SQL("coalesce({}, false)").format(test) for test in same),
        ).fetchone()
        what = "stored rows with these ids are of others, by their names, and would be overwritten"
        return Loss(self._rows.table, gone, stored, what, kind="identity")

    def _emptied(self) -> Loss:
        """Owners that have some rows in the table, and would have none."""
        gone, stored = self._run(
            "select count(*) filter (where not exists (select from {stage} s where s.{column} = o.id)),"
            " count(*) from {owners} o where exists (select from {target} t where t.{column} = o.id)",
            column=sql.Identifier(self._rows.owners.column),
        ).fetchone()
        return Loss(self._rows.table, gone, stored, "owners would have no row here any more")

    def _decision(self) -> sql.Composable:
        # the change of a capital is a change, though citext does not see it
        cast = {name: sql.SQL("::text" if self._types[name] == "citext" else "") for name in self._values}
        changed = [
            sql.SQL("t.{0}{1} is distinct from s.{0}{1}").format(sql.Identifier(name), cast[name])
            for name in self._values
        ]
        updated = "when {changed} then 'updated' else 'unchanged' end"
        if self._is_dated:
            updated = "when s.{date} <> t.{date} then 'updated' " + updated
        if self._rows.tombstone:
            updated = "when s.{tombstone} is null then 'removed' " + updated
        if self._rows.newer_only and self._is_dated:
            updated = "when t.{date} > s.{date} then 'older' " + updated
        return sql.SQL("case " + updated).format(
            date=sql.Identifier(self._rows.modified),
            changed=_any(changed),
            tombstone=sql.Identifier(self._rows.tombstone or ""),
        )

    def _leave_out_older_owners(self, owner_stage: "_Stage") -> None:
        parts = {
            "owner_stage": owner_stage._names["stage"],
            "owner_key": sql.Identifier(owner_stage._rows.key[0]),
            "column": sql.Identifier(self._rows.owners.column),
        }
        older = "select {owner_key} from {owner_stage} where {action} = 'older'"
        self._run("delete from {owners} where id in (" + older + ")", **parts)
        self._run("update {stage} set {action} = 'older' where {column} in (" + older + ")", **parts)

    def _leftovers(self) -> sql.Composable:
        return sql.SQL(
            "from {target} t where t.{column} in (select id from {owners})"
            " and not exists (select from {stage} s where {same_key})"
        ).format(**self._names, column=sql.Identifier(self._rows.owners.column))

    def apply(self) -> None:
        """Write what compare has decided to write."""
        rows = self._rows
        if rows.owners:
            self._run("delete {leftovers}", leftovers=self._leftovers())
        if rows.tombstone:
            self._run("delete from {target} t using {stage} s where {same_key} and s.{action} = 'removed'")
        for column, vacant in rows.vacate.items():
            if column in rows.columns:
                self._run(
                    "update {target} t set {column} = {vacant} from {stage} s"
                    " where {same_key} and s.{action} = 'updated' and t.{column} is distinct from s.{column}",
                    column=sql.Identifier(column),
                    vacant=sql.SQL(vacant),
                )
        columns = list(rows.columns)
        selected = [
            sql.SQL("coalesce({}, now())" if name == rows.modified else "{}").format(sql.Identifier(name))
            for name in columns
        ]
        if self._is_dated and _CREATED in self._types and _CREATED not in columns:
            columns.append(_CREATED)
            selected.append(sql.SQL("coalesce({}, now())").format(sql.Identifier(rows.modified)))
        self._run(
            "insert into {target} ({columns}) select {selected} from {stage}"
            " where coalesce({action}, 'updated') = 'updated' {on_conflict}",
            columns=_join(", ", "{0}", columns),
            selected=sql.SQL(", ").join(selected),
            on_conflict=self._on_conflict(),
        )
        self._run("analyze {target}")

    def _on_conflict(self) -> sql.Composable:
        rows = self._rows
        if rows.mode == "set":
            # a set's table has no key to conflict on
            return sql.SQL("")
        key = _join(", ", "{0}", rows.key)
        updated = [name for name in rows.columns if name not in rows.key]
        if rows.mode == "insert" or not updated:
            return sql.SQL("on conflict ({}) do nothing").format(key)
        return sql.SQL("on conflict ({}) do update set {}").format(
            key, _join(", ", "{0} = excluded.{0}", updated)
        )

    def drop(self) -> None:
        """Drop the temporary tables, for the next load of the same transaction."""
        self._run("drop table {stage}")
        if self._rows.owners:
            self._run("drop table {owners}")


def _join(separator: str, template: str, names: "tuple[str, ...] | list[str]") -> sql.Composable:
    return sql.SQL(separator).join(sql.SQL(template).format(sql.Identifier(name)) for name in names)


def _any(tests: list[sql.Composable]) -> sql.Composable:
    return sql.SQL(" or ").join(tests) if tests else sql.SQL("false")
