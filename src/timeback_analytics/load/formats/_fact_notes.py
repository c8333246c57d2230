"""Notes on what has no place in the tables, and on what was read otherwise than it was written."""

from collections import Counter

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._fact_merge import LIVE
from timeback_analytics.load.formats._fact_spool import Spool

_SHOWN = 3


def notes_on(spool: Spool, database: Database, counts: Counter[str]) -> list[str]:
    """The notes, once everything has been put together.

    Args:
        spool: what the files say.
        database: what is stored.
        counts: what was noteworthy while reading.
    """
    notes = _on_copies(spool) + _on_people(spool)
    notes += [f"Left out: {count:,} {what}." for count, what in _unplaced(spool) if count]
    reasons = spool.run(
        f"select reason, count(distinct event) from left_out where {LIVE} group by reason order by reason"
    )
    notes += [f"Left out: {reason} ({count:,})." for reason, count in reasons]
    orphans = _orphans(spool, database)
    if orphans:
        notes.append(f"{orphans:,} scores are of attempts that no event tells about; they wait for them.")
    several = spool.value("select count(*) from merged_attempt where resources > 1")
    if several:
        notes.append(f"{several:,} attempts are said to be on more than one resource; the last said counts.")
    return notes + [f"{what}: {count:,}." for what, count in sorted(counts.items()) if count]


def _on_copies(spool: Spool) -> list[str]:
    notes = []
    again = spool.value("select count(*) from event where id not in (select id from deleted)")
    again -= spool.value("select count(*) from merged_event")
    differing = spool.value("select count(*) from merged_event where versions > 1")
    deleted = spool.value("select count(*) from deleted")
    if again:
        notes.append(f"{again:,} events came again; each counts once.")
    if differing:
        notes.append(f"{differing:,} events came with different contents; what was sent first counts.")
    if deleted:
        notes.append(f"{deleted:,} events were deleted by their sender, and what they brought goes.")
    return notes


def _on_people(spool: Spool) -> list[str]:
    unknown = (
        "from merged_event e left join who w on w.key = e.person"
        " where e.person is not null and w.user_id is null and e.type <> 'GradeEvent'"
    )
    events = spool.value(f"select count(*) {unknown}")
    if not events:
        return []
    people = spool.value(f"select count(distinct e.person) {unknown}")
    shown = ", ".join(
        row[0] for row in spool.run(f"select distinct e.person {unknown} order by 1 limit {_SHOWN}")
    )
    more = ", ..." if people > _SHOWN else ""
    return [
        f"{people:,} people of {events:,} events are not in one_roster_user ({shown}{more}). Their events"
        " are kept, and what needs the person is left out. Load the roster, then this again."
    ]


def _unplaced(spool: Spool) -> list[tuple[int, str]]:
    """How many of what were left out."""
    xp = (
        "select count(distinct event) from points p left join who w on w.key = p.person"
        f" left join application a on a.key = p.app where {LIVE}"
    )
    attempts = "select count(*) from merged_attempt where"
    queries = {
        "attempts of people who are not known": f"{attempts} user_id is null",
        "attempts that do not say on what": f"{attempts} user_id is not null and resource is null",
        "sessions of which no time is known": "select count(*) from merged_session where started is null",
        "XP entries of people who are not known": f"{xp} and w.user_id is null",
        "XP entries without an application": f"{xp} and w.user_id is not null and a.app_id is null",
    }
    return [(spool.value(query), what) for what, query in queries.items()]


def _orphans(spool: Spool, database: Database) -> int:
    """Scores whose attempt neither the files nor the table have."""
    known = "select id from merged_attempt where user_id is not null and resource is not null"
    orphans = 0
    for batch in spool.batches(f"select attempt from merged_score where attempt not in ({known})"):
        attempts = [row[0] for row in batch]
        stored = database.existing("caliper_attempt", set(attempts))
        orphans += sum(attempt not in stored for attempt in attempts)
    return orphans
