"""xAPI 1.0 and 2.0: what a statement says, in the terms of the tables."""

import json
import re
from collections import Counter
from decimal import Decimal
from typing import Any

from timeback_analytics.load.formats._fact_spool import Spool
from timeback_analytics.load.formats._facts import Event, event_row, session_row
from timeback_analytics.load.formats._json_records import Record
from timeback_analytics.load.formats._lenient import instant, number
from timeback_analytics.load.formats._linked_data import term
from timeback_analytics.load.identifiers import derived_id
from timeback_analytics.load.problems import MalformedError, Problems

# Verb: the type and the action of the event that it is.
_VERBS = {
    "answered": ("AssessmentItemEvent", "Completed"),
    "scored": ("GradeEvent", "Graded"),
    "completed": ("", "Completed"),
    "passed": ("", "Completed"),
    "failed": ("", "Completed"),
    "initialized": ("", "Started"),
    "attempted": ("", "Started"),
}
_KINDS = {
    "cmi.interaction": "caliper_assessment_item",
    "question": "caliper_assessment_item",
    "assessment": "caliper_assessment",
}
_EVENTS = {"caliper_assessment_item": "AssessmentItemEvent", "caliper_assessment": "AssessmentEvent"}
_SESSION = "https://w3id.org/xapi/cmi5/context/extensions/sessionid"
_FIND_SESSION = "urn:tag:xapi"
_DURATION = re.compile(
    r"P(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII
)


def read_statement(record: Record, spool: Spool, counts: Counter[str], problems: Problems) -> bool:
    """Keep what a record says; False where it is not a statement, which is noted as a problem."""
    thing = record.value
    if not isinstance(thing, dict) or not all(
        isinstance(thing.get(key), dict) for key in ("actor", "verb", "object")
    ):
        record.refuse(
            problems,
            "this is not a statement: it has no actor, verb and object.",
            "Give xAPI statements, or the answers of a learning record store.",
        )
        return False
    try:
        event = _Statement(thing).event
        event.keep(spool, counts)
    except MalformedError as error:
        name = thing.get("id")
        record.refuse(problems, error.reason, error.remedy, value=None if name is None else str(name))
        return False
    return True


class _Statement:
    """One statement, and all that it says."""

    def __init__(self, thing: dict[str, Any]) -> None:
        self.thing = thing
        name = thing.get("id")
        is_nameless = not isinstance(name, str) or not name.strip()
        if is_nameless:
            name = derived_id("xapi", "statement", json.dumps(thing, sort_keys=True))
        self.event = event = Event(_event_id(name), None)
        event.counts["statements without an id got one made of what they say"] += is_nameless
        when = thing.get("timestamp") or thing.get("stored")
        if when is None:
            raise MalformedError("the statement has no timestamp.")
        event.time, is_zoned = instant(when)
        event.counts["times without a zone were taken for UTC"] += not is_zoned
        self.verb = term(thing["verb"].get("id"))
        if self.verb is None:
            raise MalformedError("the verb has no id.")
        self.object = thing["object"]
        self.context = _object(thing.get("context"))
        self.result = _object(thing.get("result"))
        event.person, self.actor = _person(event, thing["actor"])
        event.app = event.find_app(None, self.context.get("platform"))
        if self.verb == "voided":
            self._read_voided()
        self._read_rest()

    def _read_voided(self) -> None:
        """The event that the statement takes back, with all that it may have brought."""
        target = self.object.get("id")
        if not isinstance(target, str):
            raise MalformedError("the statement voids nothing: its object has no id.")
        void = Event(_event_id(target), self.event.time)
        told = {"actor": None, "about": None, "generated": None, "session": None, "sent": None}
        event_row(void, "Statement", "Voided", is_deleted=True, **told)
        void.say("score", void.id, _score_id(void.id), "", None, None, void.said_at, void.time)
        void.say("attempt", void.id, _attempt_id(void.id), *[None] * 5, void.said_at, *[None] * 4)
        self.event.rows += void.rows

    def _read_rest(self) -> None:
        event = self.event
        name = self.object.get("id") if isinstance(self.object.get("id"), str) else None
        kind = self._read_resource(name)
        type_, action = _VERBS.get(self.verb, (None, None))
        if type_ == "":
            type_ = _EVENTS.get(kind or "", "AssignableEvent")
        made = self._read_attempt(name, action) if type_ and name else None
        about = name
        if type_ == "GradeEvent" and made:
            about, made = made, _score_id(event.id)
        elif self.object.get("objectType") == "StatementRef" and name:
            about = _event_id(name)
        event_row(
            event,
            type_ or "Event",
            action or self.verb[:1].upper() + self.verb[1:],
            actor=self.actor,
            about=about,
            generated=made,
            session=self._read_session(),
            sent=event.moment(self.thing.get("stored")),
        )

    def _read_session(self) -> str:
        """The session that cmi5 names; else one that is found."""
        event = self.event
        found = _object(self.context.get("extensions")).get(_SESSION)
        if not isinstance(found, str) or not found.strip():
            return _FIND_SESSION
        ended = event.time if self.verb in ("terminated", "abandoned") else None
        session_row(event, found, actor=event.person, app=event.app, ended=ended)
        return found

    def _read_resource(self, name: str | None) -> str | None:
        """The table of the resource that the statement is about."""
        if name is None or self.object.get("objectType", "Activity") != "Activity":
            return None
        kind = self._say_resource(
            name, self.object, "caliper_assessment_item" if self.verb == "answered" else None
        )
        if kind == "caliper_assessment_item":
            parents = _object(self.context.get("contextActivities")).get("parent")
            for parent in parents if isinstance(parents, list) else [parents]:
                parent_name = _object(parent).get("id")
                if isinstance(parent_name, str) and parent_name:
                    self.event.say("relation", self.event.id, name, parent_name, None, self.event.said_at)
                    self._say_resource(parent_name, parent, None)
        return kind

    def _say_resource(self, name: str, thing: dict[str, Any], usual: str | None) -> str | None:
        definition = _object(thing.get("definition"))
        kind = usual or _KINDS.get(term(definition.get("type")) or "")
        if kind:
            interaction = definition.get("interactionType")
            media_type = (
                interaction if kind == "caliper_assessment_item" and isinstance(interaction, str) else None
            )
            told = (
                _translated(definition.get("name")),
                _translated(definition.get("description")),
                media_type,
            )
            self.event.say("resource", self.event.id, kind, name, *told, self.event.said_at)
        return kind

    def _read_attempt(self, name: str, action: str | None) -> str:
        """The attempt that the statement is about, and its score; the attempt's id."""
        event, result = self.event, self.result
        registration = self.context.get("registration")
        refers = self.object.get("objectType") == "StatementRef"
        if refers:
            attempt = _attempt_id(_event_id(name))
        elif self.verb != "answered" and isinstance(registration, str) and registration:
            key = ("xapi", "registration", registration.lower(), name, self.actor or "")
            attempt = f"urn:uuid:{derived_id(*key)}"
        else:
            attempt = _attempt_id(event.id)
        duration = result.get("duration") if isinstance(result.get("duration"), str) else None
        if not refers:
            ends = action in ("Completed", "Graded")
            length = _length(duration)
            began = event.time if action == "Started" else None
            if ends and length is not None:
                began = event.time - length
            event.say(
                "attempt",
                *(event.id, attempt, None, event.person, name, None, duration, event.said_at, None, began),
                *(None, event.time if action == "Completed" else None),
            )
        given, possible = self._points()
        if given is not None:
            told = (_score_id(event.id), attempt, given, possible)
            event.say("score", event.id, *told, event.said_at, event.time)
        elif self.verb == "scored":
            event.leave_out("scored statements without a score")
        return attempt

    def _points(self) -> tuple[str | None, str | None]:
        """Points and the most there were: raw and max, else scaled, else success, else raw alone."""
        score = _object(self.result.get("score"))
        raw, highest, scaled = (number(score.get(key)) for key in ("raw", "max", "scaled"))
        if raw is not None and highest is not None:
            return raw, highest
        if scaled is not None:
            return scaled, "1"
        if isinstance(self.result.get("success"), bool):
            return str(int(self.result["success"])), "1"
        return raw, None


def _event_id(name: str) -> str:
    return f"urn:uuid:{name.strip().lower().removeprefix('urn:uuid:')}"


def _attempt_id(event_id: str) -> str:
    return f"urn:uuid:{derived_id('xapi', 'attempt', event_id)}"


def _score_id(event_id: str) -> str:
    return f"urn:uuid:{derived_id('xapi', 'score', event_id)}"


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _translated(value: Any) -> str | None:
    """A text of a map of languages: English where there is some."""
    texts = {
        key.lower(): text for key, text in _object(value).items() if isinstance(text, str) and text.strip()
    }
    order = sorted(texts, key=lambda key: (key != "en-us", not key.startswith("en"), key))
    return texts[order[0]] if order else None


def _person(event: Event, actor: dict[str, Any]) -> tuple[str | None, str | None]:
    """The key and the id of an actor: by mailbox, account or OpenID. A group without a name is nobody."""
    account = _object(actor.get("account"))
    name, home = account.get("name"), account.get("homePage")
    mailbox, open_id = actor.get("mbox"), actor.get("openid")
    if isinstance(name, (str, int)) and not isinstance(name, bool) and str(name).strip():
        name = str(name).strip()
        iri = f"{home.rstrip('/')}/{name}" if isinstance(home, str) and home else name
        key = event.find_person(iri, name, name if "@" in name else mailbox)
    elif isinstance(mailbox, str) and mailbox.strip():
        iri = mailbox.strip() if mailbox.lower().startswith("mailto:") else f"mailto:{mailbox.strip()}"
        key = event.find_person(iri)
    elif isinstance(open_id, str) and open_id.strip():
        key = event.find_person(open_id.strip())
    elif isinstance(actor.get("mbox_sha1sum"), str):
        key = event.find_person(f"urn:sha1:{actor['mbox_sha1sum'].lower()}")
    else:
        return None, None
    return (None if actor.get("objectType") == "Group" else key), key


def _length(duration: str | None) -> int | None:
    """Microseconds of an ISO 8601 duration of days, hours, minutes and seconds."""
    found = _DURATION.fullmatch(duration or "")
    if not found or not any(found.groups()):
        return None
    parts = [Decimal(part or 0) for part in found.groups()]
    seconds = ((parts[0] * 24 + parts[1]) * 60 + parts[2]) * 60 + parts[3]
    return int(seconds * 1_000_000) if seconds < 10**9 else None
