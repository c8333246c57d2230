"""What one event says: who, in which application and session, about which attempt, score and points."""

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from timeback_analytics.load.formats._fact_spool import Spool, said_at
from timeback_analytics.load.formats._lenient import instant, storable
from timeback_analytics.load.problems import MalformedError

_PEOPLE = ("users", "students", "teachers")
_TAG = "urn:tag:"
"""What a sender names as session when it leaves it to the receiver to find sessions."""


@dataclass
class Event:
    """An event as it is read, and what it says; nothing is kept before all of it has been read.

    Attributes:
        id: its id; empty for an entity that comes without an event.
        time: when it happened, in microseconds since 1970; None where that is not known.
        person: key of who did it; None where that is nobody, or an application.
        app: key of the application.
        rows: table and values of what it says.
        counts: what is noteworthy about it.
    """

    id: str
    time: int | None
    person: str | None = None
    app: str | None = None
    rows: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def said_at(self) -> str:
        """When it was said, for the spool."""
        return said_at(self.time)

    def say(self, table: str, *row: Any) -> None:
        """Add a row of the spool's table."""
        self.rows.append((table, row))

    def leave_out(self, reason: str) -> None:
        """Count something that has no place in the tables."""
        self.say("left_out", self.id, reason)

    def moment(self, value: Any) -> int | None:
        """A time that may be missing; one that cannot be read is counted."""
        if value is None or value == "":
            return None
        try:
            found, is_zoned = instant(value)
        except MalformedError:
            self.counts["invalid times were left empty"] += 1
            return None
        if not is_zoned:
            self.counts["times without a zone were taken for UTC"] += 1
        return found

    def find_person(self, iri: str | None, sourced_id: str | None = None, email: Any = None) -> str | None:
        """The key of somebody, for the rows; None where nothing says who it is."""
        address = email.strip().lower() if isinstance(email, str) else ""
        in_iri, address_in_iri = who(iri) if iri else (None, None)
        key = iri or (f"mailto:{address}" if address else sourced_id)
        if not key:
            return None
        self.say("person", key, sourced_id or in_iri, address or address_in_iri)
        if sourced_id and in_iri and sourced_id != in_iri:
            self.say("person", key, in_iri, None)
        return key

    def find_app(self, iri: str | None, name: Any = None) -> str | None:
        """The key of an application, for the rows; None where nothing says which it is."""
        title = " ".join(name.split()) if isinstance(name, str) else ""
        if iri and ":" not in iri and "/" not in iri and not title and not _is_hexadecimal(iri):
            # a name in place of an IRI
            iri, title = None, iri
        key = iri or (f"name:{title.casefold()}" if title else None)
        if key:
            self.say("app", key, iri, title or None)
        return key

    def keep(self, spool: Spool, counts: Counter[str]) -> None:
        """Keep all that it says.

        Raises:
            MalformedError: a text cannot be stored; nothing is kept then.
        """
        for _, row in self.rows:
            for value in row:
                if isinstance(value, str) and not storable(value):
                    raise MalformedError("a text holds a NUL or half of a surrogate pair.")
        for table, row in self.rows:
            if table in ("person", "app"):
                spool.add_once(table, *row)
            else:
                spool.add(table, *row)
        counts.update(self.counts)


def _is_hexadecimal(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4


def event_row(
    event: Event,
    kind: str,
    action: str,
    *,
    actor: str | None,
    about: str | None,
    generated: str | None,
    session: str | None,
    sent: int | None,
    is_deleted: bool = False,
) -> None:
    """Say that the event happened.

    Args:
        event: the event, whose person and app are known.
        kind: its type.
        action: what was done.
        actor: id of who did it.
        about: id of what it was done to.
        generated: id of what came of it.
        session: id of its session, or a tag in place of one.
        sent: when it was sent; of two that differ the earlier sent counts.
        is_deleted: whether it is an event that the sender took back.
    """
    tag = session if session and session.startswith(_TAG) else None
    told = (kind, action, actor, about, generated, session, event.time)
    rank = f"{said_at(sent)}{zlib.crc32(repr(told).encode()):08x}"
    event.say(
        "event",
        *(event.id, kind, action, event.person, actor, about, generated, None if tag else session, tag),
        *(event.app, event.time, int(is_deleted), rank),
    )


def session_row(
    event: Event,
    session: str | None,
    *,
    person: str | None = None,
    actor: str | None = None,
    app: str | None = None,
    started: int | None = None,
    ended: int | None = None,
) -> None:
    """Say something of a session, if it is one: of whom, by whom an event of it is, when it was."""
    if session and not session.startswith(_TAG):
        # an entity without an event was sent, but nothing happened then
        time = event.time if event.id else None
        event.say("session", event.id, session, person, actor, app, event.said_at, started, time, ended)


def who(iri: str) -> tuple[str | None, str | None]:
    """The sourcedId and the e-mail address that an actor's id may hold.

    A URL of a user ends in the sourcedId, whatever its host; mailto: and a plain address are e-mail.
    """
    if iri.lower().startswith("mailto:"):
        return None, unquote(iri[len("mailto:") :].partition("?")[0]).strip().lower() or None
    last = iri
    if "://" in iri:
        try:
            parts = [unquote(part) for part in urlsplit(iri).path.split("/") if part]
        except ValueError:
            return None, None
        places = [place + 1 for place, part in enumerate(parts[:-1]) if part.lower() in _PEOPLE]
        last = parts[places[-1] if places else -1] if parts else ""
    elif iri.lower().startswith("urn:"):
        last = iri.rpartition(":")[2]
    if "@" in last:
        return last, last.lower()
    return last or None, None
