"""Whom and which application events mean: ids of rows for the names that senders use."""

from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._fact_spool import Spool
from timeback_analytics.load.identifiers import as_uuid, derived_id, identify, scoped


def user_id_of(sourced_id: str, source: str) -> str:
    """The id of the row that a roster's load, with the same source, makes of a user's sourcedId."""
    return identify(f"{scoped('oneroster', source)}/user", sourced_id)


def resolve_people(spool: Spool, database: Database, source: str) -> None:
    """Make the spool's table who: the user of each key; by sourcedId, then by e-mail, else null."""
    spool.run("create table found (key text, rank text)")
    for batch in spool.batches("select distinct key, sourced_id, email from person"):
        ids = {sourced_id: user_id_of(sourced_id, source) for _, sourced_id, _ in batch if sourced_id}
        known = database.existing("one_roster_user", set(ids.values()))
        emails = {email for _, _, email in batch if email}
        stored = database.rows("one_roster_user", ("id", "email"), "email", emails, lower=True)
        # of two with one address the one with the lowest id
        by_email = {email.lower(): user_id for user_id, email in sorted(stored, reverse=True)}
        found = []
        for key, sourced_id, email in batch:
            if ids.get(sourced_id) in known:
                found.append((key, f"1{ids[sourced_id]}"))
            elif email in by_email:
                found.append((key, f"2{by_email[email]}"))
            else:
                found.append((key, None))
        spool.run_many("insert into found values (?, ?)", found)
    spool.run("create table who (key text primary key, user_id text) without rowid")
    spool.run("insert into who select key, substr(min(rank), 2) from found group by key")


def resolve_apps(spool: Spool, database: Database) -> None:
    """Make the spool's tables application (the row of each key) and new_application (rows to write).

    An application is found by its id, else by its name, whatever the capitals; else it becomes a row, with
    its IRI for a name until a name is known.
    """
    live = "event not in (select id from deleted)"
    used = spool.run(
        "select key, max(iri), max(name) from app where key in ("
        f"select app from session where {live} union select app from merged_event where tag is not null"
        " union select p.app from points p"
        f" join who w on w.key = p.person where w.user_id is not null and {live})"
        # those with an IRI first: a name alone means one of them
        " group by key order by max(iri) is null, key"
    ).fetchall()
    stored = dict(database.rows("lti_application", ("id", "name"))) if used else {}
    by_name = {_folded(name): app_id for app_id, name in sorted(stored.items(), reverse=True)}
    # those that are known by id first, so that a name is theirs before it is a new one's
    used.sort(key=lambda row: _id_of(*row[:2]) not in stored)
    found: list[tuple[str, str]] = []
    written: dict[str, str] = {}
    for key, iri, name in used:
        app_id = _id_of(key, iri)
        known = {**stored, **written}
        if app_id not in known:
            app_id = by_name.get(_folded(name or iri), app_id)
        if app_id not in known or (name and known[app_id] == iri and _folded(name) not in by_name):
            written[app_id] = name or iri
            by_name[_folded(written[app_id])] = app_id
        found.append((key, app_id))
    spool.run("create table application (key text primary key, app_id text) without rowid")
    spool.run_many("insert into application values (?, ?)", found)
    spool.run("create table new_application (id text, name text)")
    spool.run_many("insert into new_application values (?, ?)", written.items())


def _id_of(key: str, iri: str | None) -> str:
    """An application's id: the UUID that its IRI is or ends in, else one that is made of it."""
    last = (iri or "").rstrip("/").replace(":", "/").rpartition("/")[2]
    return as_uuid(last) or derived_id("caliper", "application", key)


def _folded(name: Any) -> str:
    return " ".join(name.split()).casefold()
