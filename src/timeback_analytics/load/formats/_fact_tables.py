"""From what events say to rows, and to notes on what was left out."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._fact_merge import LIVE, RESOURCES, TABLES, Merge
from timeback_analytics.load.formats._fact_notes import notes_on
from timeback_analytics.load.formats._fact_spool import Rows, Spool
from timeback_analytics.load.identifiers import derived_id
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.tables import Owners, Reading, TableRows


def finish(
    spool: Spool,
    database: Database,
    counts: Counter[str],
    progress: Progress,
    source: str,
    what: Callable[[int, int], str],
) -> Reading:
    """The rows and the notes, once all files have been read.

    Args:
        spool: what the files say.
        database: what is stored.
        counts: what was noteworthy while reading.
        progress: told how far it is.
        source: see Options.source; it tells apart the people of rosters.
        what: makes the line that says what was read, of the number of events and of deleted ones.
    """
    spool.finish()
    Merge(spool, database, source).run(progress)
    tables = _Tables(spool).all()
    events = spool.value("select count(*) from merged_event")
    deleted = spool.value("select count(*) from deleted")
    return Reading(what(events, deleted), tables, notes_on(spool, database, counts))


class _Tables:
    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def all(self) -> list[TableRows]:
        """The rows of every table, in the order in which to write them."""
        return [
            self._rows("lti_application", "select id, name from new_application"),
            *(self._rows(kind, f"select {', '.join(TABLES[kind])} from merged_{kind}") for kind in RESOURCES),
            self._relation_rows(),
            self._session_rows(),
            self._attempt_rows(),
            self._score_rows(),
            self._event_rows(),
            self._points_rows(),
        ]

    def _rows(self, table: str, query: str, times: Sequence[int] = (), **options: Any) -> TableRows:
        return TableRows(table, TABLES[table], Rows(self._spool, query, times=times), **options)

    def _relation_rows(self) -> TableRows:
        sources = [row[0] for row in self._spool.run("select distinct source from part")]
        return self._rows(
            "caliper_resource_relation",
            "select source, destination, kind, place from part",
            key=TABLES["caliper_resource_relation"],
            mode="set",
            owners=Owners("source_id", sources),
        )

    def _session_rows(self) -> TableRows:
        return self._rows(
            "caliper_session",
            "select id, user_id, client_id, started, ended, null from merged_session"
            " where started is not null union all select id, null, null, null, null, null from gone_session",
            (3, 4),
            tombstone="started_at_time",
        )

    def _attempt_rows(self) -> TableRows:
        return self._rows(
            "caliper_attempt",
            "select id, user_id, resource, count, started, ended, duration, null from merged_attempt"
            " where user_id is not null and resource is not null"
            " union all select id, null, null, null, null, null, null, null from gone_attempt",
            (4, 5),
            tombstone="assignee_id",
        )

    def _score_rows(self) -> TableRows:
        return self._rows(
            "caliper_score",
            "select id, attempt, given, possible, time from merged_score"
            " union all select distinct id, null, null, null, null from score"
            " where event in (select id from deleted) and id not in (select id from merged_score)",
            (4,),
            modified="date_created",
            newer_only=True,
            tombstone="attempt_id",
        )

    def _event_rows(self) -> TableRows:
        return self._rows(
            "caliper_event",
            "select e.id, e.type, e.action, coalesce(w.user_id, e.actor), coalesce(o.attempt, e.object),"
            " coalesce(g.attempt, e.generated), e.session, e.time from merged_event e"
            " left join who w on w.key = e.person left join response_of o on o.id = e.object"
            " left join response_of g on g.id = e.generated"
            " union all select id, null, null, null, null, null, null, null from deleted",
            (7,),
            tombstone="type",
        )

    def _points_rows(self) -> TableRows:
        query = (
            "select event, w.user_id, a.app_id, event, max(value), time, time from points p"
            " join who w on w.key = p.person join application a on a.key = p.app"
            f" where w.user_id is not null and {LIVE} group by event"
            " union all select id, null, null, null, null, null, null from deleted"
        )
        rows = Rows(
            self._spool,
            query,
            lambda row: (derived_id("caliper", "xp", row[0]), *row[1:]),
            times=(5, 6),
        )
        return TableRows("tb_xp_ledger", TABLES["tb_xp_ledger"], rows, tombstone="value")
