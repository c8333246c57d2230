"""Caliper events as senders write them, for the tests of the loader."""

import uuid
from typing import Any

CONTEXT = "http://purl.imsglobal.org/ctx/caliper/v1p2"
HOST = "https://api.alpha-1edtech.ai/ims/oneroster/rostering/v1p2"
APP = "https://math.example/app"
ADA = "a0000000-0000-4000-8000-00000000000a"
BOB = "b0000000-0000-4000-8000-00000000000b"
PEOPLE = {ADA: ("Ada", "ada@school.example"), BOB: ("Bob", "bob@school.example")}


def urn(name: str) -> str:
    """The same urn:uuid: for the same name."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, name)}"


def user(user_id: str = ADA, **more: Any) -> dict[str, Any]:
    """A TimebackUser."""
    name, email = PEOPLE.get(user_id, ("Nobody", "nobody@school.example"))
    return {"id": f"{HOST}/users/{user_id}", "type": "TimebackUser", "name": name, "email": email, **more}


def event(name: str, kind: str, action: str, time: str, **more: Any) -> dict[str, Any]:
    """An event of Ada, unless more says otherwise."""
    return {
        "@context": CONTEXT,
        "id": urn(name),
        "type": kind,
        "action": action,
        "actor": user(),
        "eventTime": time,
        "edApp": {"id": APP, "type": "SoftwareApplication", "name": "Math"},
        **more,
    }


def activity(name: str, time: str, xp: Any, *, attempt: Any = 1, **more: Any) -> dict[str, Any]:
    """A completed activity with XP and questions."""
    return event(
        name,
        "ActivityEvent",
        "Completed",
        time,
        **{
            "profile": "TimebackProfile",
            "object": {
                "id": f"{HOST}/courses/component-resources/cr-1",
                "type": "TimebackActivityContext",
                "subject": "Math",
                "app": {"id": APP, "name": "Math"},
                "course": {"code": "M-1", "name": "Algebra"},
            },
            "generated": {
                "id": urn(f"{name}/metrics"),
                "type": "TimebackActivityMetricsCollection",
                "attempt": attempt,
                "items": [
                    {"type": "xpEarned", "value": xp},
                    {"type": "totalQuestions", "value": 10},
                    {"type": "correctQuestions", "value": "8"},
                ],
            },
            **more,
        },
    )


def session_event(name: str, action: str, time: str, session: Any, **more: Any) -> dict[str, Any]:
    return event(
        name,
        "SessionEvent",
        action,
        time,
        **{"object": {"id": APP, "type": "SoftwareApplication"}, "session": session, **more},
    )


def question(name: str, number: int, time: str, action: str = "Completed", **more: Any) -> dict[str, Any]:
    """An answer to question `number`, with a response that names its attempt."""
    item = f"https://math.example/items/{number}"
    made = {
        "id": f"{item}/responses/{name}",
        "type": "MultipleChoiceResponse",
        "attempt": {
            "id": f"{item}/attempts/{name}",
            "type": "Attempt",
            "assignee": user()["id"],
            "assignable": item,
            "count": 1,
            "startedAtTime": "2026-01-05T10:00:00.000Z",
            "endedAtTime": time,
            "duration": "PT30S",
        },
    }
    return event(
        name,
        "AssessmentItemEvent",
        action,
        time,
        **{
            "profile": "AssessmentProfile",
            "object": {
                "id": item,
                "type": "AssessmentItem",
                "name": f"Question {number}",
                "mediaType": "quiz",
                "isPartOf": {"id": "https://math.example/tests/1", "type": "Assessment", "name": "Test"},
            },
            "generated": made,
            **more,
        },
    )


def grade(name: str, attempt: str, given: Any, time: str, **more: Any) -> dict[str, Any]:
    return event(
        name,
        "GradeEvent",
        "Graded",
        time,
        **{
            "profile": "GradingProfile",
            "actor": {"id": APP, "type": "SoftwareApplication"},
            "object": attempt,
            "generated": {
                "id": urn(f"{name}/score"),
                "type": "Score",
                "attempt": attempt,
                "scoreGiven": given,
                "maxScore": 1.0,
                "scoreType": "QUESTION_RESULT",
            },
            **more,
        },
    )


def envelope(*events: Any, **more: Any) -> dict[str, Any]:
    return {
        "sensor": "https://math.example/sensor",
        "sendTime": "2026-01-06T00:00:00.000Z",
        "dataVersion": CONTEXT,
        "data": list(events),
        **more,
    }


def stored(number: int, event: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The event as the platform's event API serves it."""
    rest = {key: value for key, value in event.items() if key not in ("id", "@context")}
    return {
        "id": number,
        "externalId": event["id"],
        "sensor": "https://math.example/sensor",
        "sendTime": "2026-01-06T00:00:00.000Z",
        "created_at": "2026-01-06T00:00:01.000Z",
        "updated_at": None,
        "deleted_at": None,
        "clientAppId": None,
        **rest,
        **more,
    }


def page(*events: Any) -> dict[str, Any]:
    pagination = {"total": len(events), "totalPages": 1, "currentPage": 1, "limit": 100}
    return {"events": list(events), "pagination": pagination}


# -- a day of Ada's, with one event of each kind ----------------------------------------------------


SESSION = urn("session")
ITEM, TEST = "https://math.example/items/1", "https://math.example/tests/1"
ATTEMPT = f"{ITEM}/attempts/q1"
LESSON = {
    "id": "https://math.example/lessons/1",
    "type": "AssignableDigitalResource",
    "name": "Lesson",
    "mediaType": "curriculum/lesson",
    "isPartOf": {
        "id": "https://math.example/units/1",
        "type": "DigitalResource",
        "mediaType": "curriculum/unit",
    },
}
DAY = [
    session_event(
        "in", "LoggedIn", "2026-01-05T10:00:00Z", {"id": SESSION, "type": "Session", "user": user()}
    ),
    question("q1", 1, "2026-01-05T10:01:00Z", session=SESSION),
    grade("g1", ATTEMPT, 0, "2026-01-05T10:01:01Z", session={"id": SESSION, "type": "Session"}),
    grade("g2", ATTEMPT, 1, "2026-01-05T10:01:02Z", session=SESSION),
    activity("a1", "2026-01-05T10:05:00Z", 12.5, session=SESSION),
    activity("a2", "2026-01-06T08:00:00Z", -5),
    event("nav", "NavigationEvent", "NavigatedTo", "2026-01-05T10:06:00Z", object=LESSON, session=SESSION),
    event(
        "spent",
        "TimeSpentEvent",
        "SpentTime",
        "2026-01-05T10:10:00Z",
        profile="TimebackProfile",
        object={"id": "https://math.example/a", "type": "TimebackActivityContext", "app": {"name": "Math"}},
        generated={
            "id": urn("spent/metrics"),
            "type": "TimebackTimeSpentMetricsCollection",
            "items": [{"type": "active", "value": 300}],
        },
        session=SESSION,
    ),
    session_event("out", "LoggedOut", "2026-01-05T10:20:00Z", SESSION),
    event("odd", "WobbleEvent", "Wobbled", "2026-01-05T10:07:00Z", object="https://math.example/wobble"),
]
