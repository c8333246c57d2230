"""What stored models recomputed while dbt ran, read from the note that each refresh leaves in the database.

A refresh is committed together with its note. So what is reported here has happened, whatever happened to the
dbt run or the connection afterwards. Notes are read before dbt runs and after each try, so none is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from timeback_analytics.catalog.names import internal_schema
from timeback_analytics.queries import first_row


@dataclass
class Refreshed:
    """What one stored model took in during this job.

    Attributes:
        since: when it had been brought up to date last, before this job; None for a table that was new.
        refreshed_at: when it was brought up to date now, by the database's clock.
        is_whole: whether everything was recomputed, rather than what changed.
        added_rows: stored rows that were written, corrected ones among them.
        removed_rows: stored rows that were taken away, corrected ones among them.
        changed_rows: {operational table: its rows that were found new or corrected}.
    """

    since: datetime | None
    refreshed_at: datetime
    is_whole: bool = False
    added_rows: int = 0
    removed_rows: int = 0
    changed_rows: dict[str, int] = field(default_factory=dict)


class Refreshes:
    """Watches the notes of one catalog's refreshes.

    Args:
        schema: the published schema.
    """

    def __init__(self, schema: str) -> None:
        self._relation = sql.Identifier(internal_schema(schema), "refresh_state")
        self._known: dict[str, datetime] | None = None
        self.done: dict[str, Refreshed] = {}
        """{stored model: what this job's refreshes took in}."""

    @property
    def last_times(self) -> Mapping[str, datetime]:
        """{stored model: when it was brought up to date last}, as of the last look."""
        return self._known or {}

    def look(self, conn: psycopg.Connection) -> None:
        """See what was refreshed since the last look; the first one sees what earlier jobs left."""
        try:
            found = self._read(conn)
        except psycopg.errors.InsufficientPrivilege:
            # another role's notes, of before the facts were live
            found = {}
        before = self._known
        self._known = {name: notes[0]["refreshed_at"] for name, notes in found.items()}
        if before is None:
            return
        for name, notes in found.items():
            if notes[0]["refreshed_at"] == before.get(name):
                continue
            done = self.done.setdefault(name, Refreshed(before.get(name), notes[0]["refreshed_at"]))
            done.refreshed_at = notes[0]["refreshed_at"]
            # a model's notes differ in their source alone
            done.is_whole |= notes[0]["is_whole"]
            done.added_rows += notes[0]["added_rows"]
            done.removed_rows += notes[0]["removed_rows"]
            for note in notes:
                done.changed_rows[note["source_name"]] = (
                    done.changed_rows.get(note["source_name"], 0) + note["changed_rows"]
                )

    def _read(self, conn: psycopg.Connection) -> dict[str, list[dict[str, Any]]]:
        """{stored model: a note for each operational table that it is made from}."""
        (is_there,) = first_row(
            conn.execute("select to_regclass(%s) is not null", [self._relation.as_string(conn)])
        )
        if not is_there:
            return {}
        cursor = conn.cursor(row_factory=psycopg.rows.dict_row)
        notes: dict[str, list[dict[str, Any]]] = {}
        for note in cursor.execute(
            sql.SQL(
                """select
                    model_name, source_name, changed_rows, removed_rows, added_rows, is_whole, refreshed_at
                from {} where refreshed_at is not null order by model_name, source_name"""
            ).format(self._relation)
        ):
            notes.setdefault(note["model_name"], []).append(note)
        return notes


def in_words(refreshed: Iterable[Refreshed]) -> str:
    """Rows that were added and removed, together."""
    listed = list(refreshed)
    added, removed = (sum(getattr(one, f"{what}_rows") for one in listed) for what in ("added", "removed"))
    return f"{added:,} rows added, {removed:,} removed" if added or removed else "no row changed"
