"""What is said of one thing is put together, and with what is stored of it."""

from collections.abc import Sequence

from psycopg import sql

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._fact_names import resolve_apps, resolve_people
from timeback_analytics.load.formats._fact_sessions import find_sessions
from timeback_analytics.load.formats._fact_spool import Spool
from timeback_analytics.load.formats._lenient import instant
from timeback_analytics.load.progress import Progress

TABLES = {
    "one_roster_user": ("id", "email"),
    "lti_application": ("id", "name"),
    "caliper_assessment": ("id", "name", "description"),
    "caliper_assessment_item": ("id", "name", "description", "media_type"),
    "caliper_assignable_digital_resource": ("id", "name", "description", "media_type"),
    "caliper_resource_relation": ("source_id", "destination_id", "relationship_type", "item_order"),
    "caliper_session": (
        *("id", "user_id", "client_id", "started_at_time", "ended_at_time"),
        "date_last_modified",
    ),
    "caliper_attempt": (
        *("id", "assignee_id", "assignable_id", "count", "started_at_time", "ended_at_time", "duration"),
        "date_last_modified",
    ),
    "caliper_score": ("id", "attempt_id", "score_given", "max_score", "date_created"),
    "caliper_event": (
        *("id", "type", "action", "actor_id", "object_id", "generated_id", "session_id", "event_time"),
    ),
    "tb_xp_ledger": (
        *("id", "user_id", "application_id", "source_event_id", "value", "date_generated", "date_created"),
    ),
}
RESOURCES = ("caliper_assessment", "caliper_assessment_item", "caliper_assignable_digital_resource")
LIVE = "event not in (select id from deleted)"
# The value that was said last, out of said_at (18 characters) and value in one text.
_LAST = "substr(max(said_at || {0}), 19) as {0}"


class Merge:
    """Makes the spool's tables merged_... (one row a thing), and gone_... (what deleted events alone say)."""

    def __init__(self, spool: Spool, database: Database, source: str) -> None:
        self._source = source
        self._spool = spool
        self._database = database

    def run(self, progress: Progress) -> None:
        """Do it all, once everything is in the spool."""
        steps = (
            self._merge_events,
            lambda: resolve_people(self._spool, self._database, self._source),
            lambda: resolve_apps(self._spool, self._database),
            self._merge_attempts,
            self._merge_sessions,
            self._merge_scores,
            self._merge_resources,
        )
        total = self._spool.value("select count(*) from event")
        with progress.step("Putting together what events say", total) as advance:
            for step in steps:
                step()
                advance(total // len(steps))

    # -- what is said of one thing ----------------------------------------------------------------------

    def _merge_events(self) -> None:
        run = self._spool.run
        run("create table deleted (id text primary key) without rowid")
        run("insert into deleted select distinct id from event where is_deleted")
        run("create table response_of (id text primary key, attempt text) without rowid")
        run("insert into response_of select id, min(attempt) from response group by id")
        run(
            "create table merged_event as select id, type, action, person, actor, object, generated, session,"
            " tag, app, time, min(rank) as rank, count(distinct substr(rank, 19)) as versions"
            " from event where id not in (select id from deleted) group by id"
        )
        run("create unique index merged_event_id on merged_event (id)")

    def _merge_attempts(self) -> None:
        run = self._spool.run
        resources = "count(distinct resource) as resources"
        run(
            "create table merged_attempt as"
            " with said as (select coalesce(r.attempt, a.id) as attempt_id, a.* from attempt a"
            f" left join response_of r on r.id = a.id where {LIVE}),"
            f" merged as (select attempt_id, {', '.join(map(_LAST.format, ('person', 'resource', 'count')))},"
            f" {_LAST.format('duration')}, substr(min(said_at || actor), 19) as actor, {resources},"
            " min(started) as started, min(began) as began, max(ended) as ended, max(closed) as closed"
            " from said group by attempt_id)"
            " select attempt_id as id, coalesce(p.user_id, a.user_id) as user_id, resource, count,"
            " coalesce(started, began) as started, coalesce(ended, closed) as ended, duration, resources,"
            " coalesce(person, actor) as person"
            " from merged left join who p on p.key = person left join who a on a.key = actor"
        )
        run("create unique index merged_attempt_id on merged_attempt (id)")
        self._absorb(
            "caliper_attempt",
            "merged_attempt",
            ("assignee_id", "assignable_id", "count", "started_at_time", "ended_at_time", "duration"),
            "user_id = coalesce(user_id, ?), resource = coalesce(resource, ?), count = coalesce(count, ?3),"
            " started = min(coalesce(started, ?4), coalesce(?4, started)),"
            " ended = max(coalesce(ended, ?5), coalesce(?5, ended)), duration = coalesce(duration, ?6)",
            times=(3, 4),
        )
        self._find_gone("attempt", "merged_attempt", ("generated_id", "object_id"))

    def _merge_sessions(self) -> None:
        run = self._spool.run
        run(
            f"create table merged_session as with merged as (select id, {_LAST.format('person')},"
            f" substr(min(said_at || actor), 19) as actor, {_LAST.format('app')},"
            " min(coalesce(min(started, time), started, time)) as started, max(ended) as ended"
            f" from session where {LIVE} group by id)"
            " select id, coalesce(p.user_id, a.user_id) as user_id, app, app_id as client_id, started, ended"
            " from merged left join who p on p.key = person left join who a on a.key = actor"
            " left join application on application.key = app"
        )
        run("create unique index merged_session_id on merged_session (id)")
        find_sessions(self._spool, self._database)
        self._absorb(
            "caliper_session",
            "merged_session",
            ("user_id", "client_id", "started_at_time", "ended_at_time"),
            "user_id = coalesce(user_id, ?), client_id = coalesce(client_id, ?),"
            " started = min(coalesce(started, ?3), coalesce(?3, started)),"
            " ended = max(coalesce(ended, ?4), coalesce(?4, ended))",
            times=(2, 3),
        )
        self._find_gone("session", "merged_session", ("session_id",))

    def _merge_scores(self) -> None:
        last = ", ".join(map(_LAST.format, ("given", "possible")))
        self._spool.run(
            "create table merged_score as"
            f" select s.id, substr(max(said_at || coalesce(r.attempt, s.attempt)), 19) as attempt, {last},"
            " cast(substr(max(said_at || time), 19) as integer) as time"
            f" from score s left join response_of r on r.id = s.attempt where {LIVE} group by s.id"
        )
        self._spool.run("create unique index merged_score_id on merged_score (id)")

    def _merge_resources(self) -> None:
        run = self._spool.run
        last = ", ".join(map(_LAST.format, ("name", "description", "media_type")))
        for kind in RESOURCES:
            run(
                f"create table merged_{kind} as select id, {last} from resource"
                f" where kind = '{kind}' and {LIVE} group by id"
            )
            run(f"create unique index merged_{kind}_id on merged_{kind} (id)")
            columns = TABLES[kind][1:]
            changes = ", ".join(f"{name} = coalesce({name}, ?)" for name in columns)
            self._absorb(kind, f"merged_{kind}", columns, changes)
        run("create table part (source text, destination text, kind text, place integer)")
        run(
            "insert into part select source, destination, 'isPartOf', cast(substr(max(said_at || place), 19)"
            f" as integer) from relation where {LIVE} group by source, destination"
        )
        run("create index part_key on part (source, destination)")
        run("create table kept_part (source text, destination text, kind text, place integer)")
        if self._any("caliper_resource_relation"):
            self._absorb_parts()
            run("insert into part select * from kept_part")

    # -- what is stored ---------------------------------------------------------------------------------

    def _any(self, table: str) -> bool:
        query = sql.SQL("select exists(select from {})").format(self._database.name(table))
        return self._database.conn.execute(query).fetchone()[0]

    def _absorb(
        self, table: str, merged: str, columns: Sequence[str], changes: str, *, times: Sequence[int] = ()
    ) -> None:
        """Complete merged rows with what the table has of the same ids.

        Args:
            table: the operational table.
            merged: the spool's table.
            columns: columns of the table.
            changes: what to set, with a parameter for each of the columns in their order.
            times: the places of the columns that hold times.
        """
        if not self._any(table):
            return
        for batch in self._spool.batches(f"select id from {merged}"):
            stored = self._database.rows(table, ("id", *columns), "id", [row[0] for row in batch])
            rows = []
            for name, *values in stored:
                for place in times:
                    values[place] = None if values[place] is None else instant(values[place])[0]
                rows.append((*values, name))
            self._spool.run_many(f"update {merged} set {changes} where id = ?{len(columns) + 1}", rows)

    def _absorb_parts(self) -> None:
        """Keep what is stored of the same sources, unless the files say the same with a place."""
        columns = TABLES["caliper_resource_relation"]
        for batch in self._spool.batches("select distinct source from part"):
            stored = self._database.rows(
                "caliper_resource_relation", columns, "source_id", [row[0] for row in batch]
            )
            for source, destination, kind, place in stored:
                said = self._spool.run(
                    "select place from part where source = ? and destination = ? and kind = ?",
                    (source, destination, kind),
                ).fetchall()
                if said and said[0][0] is not None:
                    continue
                kept = (source, destination, kind, place)
                self._spool.run("insert into kept_part values (?, ?, ?, ?)", kept)
                self._spool.run(
                    "delete from part where source = ? and destination = ? and kind = ? and place is null",
                    kept[:3],
                )

    def _find_gone(self, kind: str, merged: str, mentions: Sequence[str]) -> None:
        """Note the things of which deleted events alone speak, in the files and in the table of events."""
        name = "coalesce(r.attempt, s.id)"
        joined = "left join response_of r on r.id = s.id" if kind == "attempt" else ""
        name = name if joined else "s.id"
        run = self._spool.run
        run(f"create table gone_{kind} (id text primary key) without rowid")
        if not self._spool.value("select exists(select 1 from deleted)"):
            return
        run(
            f"insert or ignore into gone_{kind} select {name} from {kind} s {joined}"
            f" where s.event in (select id from deleted) and {name} not in (select id from {merged})"
        )
        if kind == "attempt":
            # of an attempt, other events may speak by its id alone
            for column in ("object", "generated"):
                run(f"delete from gone_attempt where id in (select {column} from merged_event)")
        deleted = {row[0] for row in run("select id from deleted")}
        for column in mentions:
            for batch in self._spool.batches(f"select id from gone_{kind}"):
                found = self._database.rows(
                    "caliper_event", ("id", column), column, [row[0] for row in batch]
                )
                spoken = {(thing,) for event, thing in found if event not in deleted}
                self._spool.run_many(f"delete from gone_{kind} where id = ?", spoken)
