"""Caliper 1.1 and 1.2: what an event or an entity says, in the terms of the tables."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from timeback_analytics.load.formats._fact_spool import Spool
from timeback_analytics.load.formats._facts import Event, event_row, session_row
from timeback_analytics.load.formats._json_records import Record
from timeback_analytics.load.formats._lenient import instant, number, whole
from timeback_analytics.load.formats._linked_data import Prefixes, normal, prefixes_of, reference, term
from timeback_analytics.load.identifiers import derived_id
from timeback_analytics.load.problems import MalformedError, Problems

_NOBODY = ("SoftwareApplication", "Organization", "CourseOffering", "CourseSection", "Group")
_WORK = ("AssessmentItemEvent", "AssessmentEvent", "AssignableEvent")
_ENDS_SESSION = ("LoggedOut", "LoggedOff", "TimedOut", "Ended")
_ENDS_WORK = ("Completed", "Submitted", "Skipped")
_RESOURCES = {
    "Assessment": "caliper_assessment",
    "AssessmentItem": "caliper_assessment_item",
    "AssignableDigitalResource": "caliper_assignable_digital_resource",
    "DigitalResource": "caliper_assignable_digital_resource",
}
_OF_EVENT = {"AssessmentEvent": "Assessment", "AssessmentItemEvent": "AssessmentItem"}
"""What the object of an event is, where it is an IRI alone."""
_DEEPEST = 50
_COUNTED = ("totalQuestions", "correctQuestions", "masteredUnits")


def read_record(record: Record, spool: Spool, counts: Counter[str], problems: Problems) -> str | None:
    """Keep what a record says.

    Returns:
        event or entity; None where it is neither, which is noted as a problem.
    """
    value = record.value
    thing = normal(value) if isinstance(value, dict) else {}
    kind = term(thing.get("type"))
    is_event = "actor" in thing or "action" in thing or "eventTime" in thing
    if not kind or not (is_event or "id" in thing):
        record.refuse(
            problems,
            "this is neither a Caliper event nor an entity: it has no type, or no id.",
            "Give envelopes, events, or the answers of the platform's event API.",
        )
        return None
    prefixes = prefixes_of(thing.get("@context"), prefixes_of(record.outer.get("@context"), {}))
    try:
        if is_event:
            reader: _Reader = _EventReader(thing, kind, prefixes, record.outer)
        else:
            reader = _Reader(Event("", _sent(thing, record.outer)), prefixes)
            reader.read_entity(thing, kind)
        reader.event.keep(spool, counts)
    except MalformedError as error:
        name = thing.get("externalId") or thing.get("id")
        record.refuse(problems, error.reason, error.remedy, value=None if name is None else str(name))
        return None
    return "event" if is_event else "entity"


def _sent(thing: dict[str, Any], outer: dict[str, Any]) -> int | None:
    """When a thing was sent; None if nothing says so."""
    for value in (thing.get("sendTime"), outer.get("sendTime"), thing.get("dateModified")):
        try:
            return instant(value)[0]
        except MalformedError:
            continue
    return None


class _Reader:
    """Puts what entities say into the rows of an event."""

    def __init__(self, event: Event, prefixes: Prefixes) -> None:
        self.event = event
        self.prefixes = prefixes

    def ref(self, value: Any) -> tuple[str | None, dict[str, Any]]:
        """See reference."""
        return reference(value, self.prefixes)

    def read_entity(self, thing: dict[str, Any], kind: str) -> None:
        """An entity that somebody described without an event."""
        event = self.event
        name, _ = self.ref(thing)
        if kind in _RESOURCES:
            self.resource(thing, kind)
        elif kind == "Attempt":
            self.attempt(thing)
        elif kind.endswith("Response"):
            attempt, described = self.ref(thing.get("attempt"))
            if attempt:
                event.say("response", event.id, name, attempt)
                self.attempt(described or attempt)
        elif kind in ("Score", "Result"):
            self.score(thing, event.moment(thing.get("dateCreated")) or event.time, None)
        elif kind == "Session":
            self.session(thing, None, None, None)
        elif kind == "SoftwareApplication":
            event.find_app(name, thing.get("name"))
        else:
            event.leave_out("entities of kinds that no table holds, without an event")

    def person(self, value: Any) -> tuple[str | None, str | None]:
        """The key of a person and the id; the key is None where it is not a person."""
        name, thing = self.ref(value)
        kind = term(thing.get("type"))
        if kind in _NOBODY:
            return None, name
        sourced_id, email = None, thing.get("email")
        for other in thing.get("otherIdentifiers") or ():
            if isinstance(other, dict) and isinstance(other.get("identifier"), str):
                identifier_type = term(other.get("identifierType"))
                if identifier_type == "OneRosterSourcedId":
                    sourced_id = other["identifier"]
                elif identifier_type == "EmailAddress":
                    email = email or other["identifier"]
        key = self.event.find_person(name, sourced_id, email)
        return key, name or key

    def app(self, value: Any) -> str | None:
        """The key of an application."""
        name, thing = self.ref(value)
        return self.event.find_app(name, thing.get("name"))

    def session(self, value: Any, actor: str | None, app: str | None, ended: int | None) -> str | None:
        """A session, and what is said of it; its id."""
        name, thing = self.ref(value)
        if name:
            event = self.event
            session_row(
                event,
                name,
                person=self.person(thing.get("user") or thing.get("actor"))[0],
                actor=actor,
                app=app or self.app(thing.get("client")),
                started=event.moment(thing.get("startedAtTime")),
                ended=event.moment(thing.get("endedAtTime")) or ended,
            )
        return name

    def attempt(
        self,
        value: Any,
        *,
        actor: str | None = None,
        about: str | None = None,
        response: dict[str, Any] | None = None,
        began: int | None = None,
        closed: int | None = None,
    ) -> str | None:
        """An attempt, and what is said of it; its id.

        Args:
            value: the attempt.
            actor: whose it is, if the attempt does not say so.
            about: the resource, if the attempt does not say so.
            response: the response that names it, whose times and duration are used if the attempt has none.
            began: when it began, if the event says so.
            closed: when it ended, if the event says so.
        """
        name, thing = self.ref(value)
        if not name:
            return None
        event, response = self.event, response or {}
        resource, described = self.ref(thing.get("assignable"))
        kind = term(described.get("type"))
        if kind in _RESOURCES:
            self.resource(described, kind)
        duration = thing.get("duration") or response.get("duration")
        event.say(
            "attempt",
            *(event.id, name, self.person(thing.get("assignee"))[0], actor, resource or about),
            whole(thing.get("count")),
            None if duration is None else str(duration),
            event.said_at,
            event.moment(thing.get("startedAtTime") or response.get("startedAtTime")),
            began,
            event.moment(thing.get("endedAtTime") or response.get("endedAtTime")),
            closed,
        )
        return name

    def score(self, thing: dict[str, Any], time: int | None, about: str | None) -> tuple[str, str | None]:
        """A score, and what is said of it; its id, and that of its attempt.

        Args:
            thing: the score.
            time: when it was given.
            about: the attempt, where it names none.
        """
        event = self.event
        name, _ = self.ref(thing)
        name = name or f"urn:uuid:{derived_id('caliper', 'score', event.id)}"
        attempt, described = self.ref(thing.get("attempt"))
        if described:
            self.attempt(described)
        attempt = attempt or about
        if attempt is None or time is None:
            event.leave_out("scores without an attempt, or without a time")
            return name, attempt
        given, possible = (
            next((thing[key] for key in keys if thing.get(key) is not None), None)
            for keys in (("scoreGiven", "resultScore", "totalScore"), ("maxScore", "maxResultScore"))
        )
        if any(said is not None and number(said) is None for said in (given, possible)):
            event.counts["scores that are not a number were left empty"] += 1
        event.say("score", event.id, name, attempt, number(given), number(possible), event.said_at, time)
        return name, attempt

    def resource(self, thing: dict[str, Any], kind: str, depth: int = 0) -> None:
        """A resource, what it is part of, and its parts."""
        event = self.event
        name, _ = self.ref(thing)
        if not name or depth > _DEEPEST:
            return
        table = _RESOURCES[kind]
        media_type = _text(thing.get("mediaType"))
        is_kept = table != "caliper_assignable_digital_resource" or media_type is not None
        if is_kept:
            said = (_text(thing.get("name")), _text(thing.get("description")), media_type)
            event.say("resource", event.id, table, name, *said, event.said_at)
        for whole_name, described in self._several(thing.get("isPartOf")):
            if is_kept:
                event.say("relation", event.id, name, whole_name, None, event.said_at)
            self._other_resource(
                whole_name, described, "Assessment" if kind == "AssessmentItem" else None, depth
            )
        if kind == "Assessment":
            for place, (part, described) in enumerate(self._several(thing.get("items"))):
                event.say("relation", event.id, part, name, place, event.said_at)
                self._other_resource(part, described, "AssessmentItem", depth)

    def _other_resource(self, name: str, thing: dict[str, Any], usual: str | None, depth: int) -> None:
        kind = term(thing.get("type")) or usual
        if kind in _RESOURCES:
            self.resource(thing or {"id": name}, kind, depth + 1)

    def _several(self, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and object of one thing or of each of a list."""
        for one in value if isinstance(value, list) else [value]:
            name, thing = self.ref(one)
            if name:
                yield name, thing


class _EventReader(_Reader):
    """An event, and all that it says."""

    def __init__(self, thing: dict[str, Any], kind: str, prefixes: Prefixes, outer: dict[str, Any]) -> None:
        name = thing.get("externalId") or reference(thing, prefixes)[0]
        super().__init__(Event("", None), prefixes)
        event = self.event
        if name is None:
            event.counts["events without an id got one made of what they say"] += 1
            name = f"urn:uuid:{derived_id('caliper', 'event', json.dumps(thing, sort_keys=True))}"
        event.id = str(name)
        if thing.get("eventTime") is None:
            raise MalformedError("the event has no eventTime.")
        event.time, is_zoned = instant(thing["eventTime"])
        event.counts["times without a zone were taken for UTC"] += not is_zoned
        self.kind = kind
        self.action = term(thing.get("action"))
        if self.action is None:
            raise MalformedError("the event has no action.")
        self.thing = thing
        self.object_id, self.object = self.ref(thing.get("object"))
        self.generated_id, self.generated = self.ref(thing.get("generated"))
        event.person, actor = self.person(thing.get("actor"))
        event.app = self._find_app(outer)
        # who grades is seldom the one whose session it is
        by = None if kind == "GradeEvent" else event.person
        self._read_work(by)
        self._read_points(by)
        for member in ("object", "target", "referrer"):
            self._read_resource(member)
        event_row(
            event,
            kind,
            self.action,
            actor=actor,
            about=self.object_id,
            generated=self.generated_id,
            session=self._read_session(by),
            sent=_sent(thing, outer),
            is_deleted=bool(thing.get("deleted_at")),
        )

    def _find_app(self, outer: dict[str, Any]) -> str | None:
        """The application: that of the activity, else edApp, else the client or the sensor that sent it."""
        thing = self.thing
        candidates = (self.object.get("app"), thing.get("edApp"), thing.get("clientAppId"))
        for value in (*candidates, thing.get("sensor"), outer.get("sensor")):
            found = self.app(value)
            if found:
                return found
        return None

    def _read_session(self, by: str | None) -> str | None:
        found = self.thing.get("session")
        if not found and self.kind == "SessionEvent":
            for thing in (self.generated, self.object):
                if term(thing.get("type")) == "Session":
                    found = thing
                    break
        ends = self.kind == "SessionEvent" and self.action in _ENDS_SESSION
        # that of the session is edApp; the sensor may be of a whole platform
        app = self.app(self.thing.get("edApp")) or self.app(self.object.get("app"))
        return self.session(found, by, app, self.event.time if ends else None)

    def _read_work(self, by: str | None) -> None:
        """Attempts, responses and scores; the ids of what was made and acted on become the attempt's."""
        event, made = self.event, self.generated
        made_kind = term(made.get("type"))
        if made_kind in ("Score", "Result"):
            if term(self.object.get("type")) == "Attempt":
                self.attempt(self.object)
            elif (attempt := self.ref(self.object.get("attempt"))[0]) and self.object_id:
                self.attempt(self.object["attempt"])
                event.say("response", event.id, self.object_id, attempt)
            self.generated_id, attempt = self.score(made, event.time, self.object_id)
            self.object_id = attempt or self.object_id
            return
        # an attempt that is described is one, whatever the event
        if self.kind not in _WORK and made_kind != "Attempt":
            return
        told: dict[str, Any] = {"actor": by, "about": self.object_id}
        if self.action == "Started":
            told["began"] = event.time
        elif self.action in _ENDS_WORK:
            told["closed"] = event.time
        if made_kind and made_kind.endswith("Response"):
            attempt = self.attempt(made.get("attempt"), response=made, **told)
            if attempt and self.generated_id:
                event.say("response", event.id, self.generated_id, attempt)
            self.generated_id = attempt or self.attempt(made, **told)
        elif made_kind in (None, "Attempt") and self.generated_id:
            self.attempt(made or self.generated_id, **told)
        elif self.kind == "AssessmentItemEvent" and self.action == "Completed":
            event.leave_out("answers without an attempt or a response")

    def _read_points(self, by: str | None) -> None:
        items = self.generated.get("items")
        items = [items] if isinstance(items, dict) else items
        if not isinstance(items, list):
            return
        earned = []
        for item in items:
            kind = term(item.get("type")) if isinstance(item, dict) else None
            if kind == "xpEarned":
                earned.append(number(item.get("value")))
            elif kind in _COUNTED:
                self.event.leave_out(f"events with {kind}, which count many questions or units at once")
        if not earned:
            return
        if None in earned:
            self.event.leave_out("XP that is not a number")
            return
        self.event.say("points", self.event.id, by, self.event.app, _sum(earned), self.event.time)

    def _read_resource(self, member: str) -> None:
        name, thing = self.ref(self.thing.get(member))
        kind = term(thing.get("type")) or (_OF_EVENT.get(self.kind) if member == "object" else None)
        if name and kind in _RESOURCES:
            self.resource(thing or {"id": name}, kind)


def _sum(texts: list[str]) -> str:
    return str(sum(map(Decimal, texts)))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
