"""A learning session, which later parts of the demo hang insights, points and journals on."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from timeback_analytics.demo.rows import OperationalRows


@dataclass(frozen=True)
class Finding:
    """Something that a log itself shows about a session: an insight waiting to be recorded.

    Attributes:
        slug: the insight type.
        started_at: start, UTC.
        ended_at: end, UTC.
        reason: the text that a person reads.
    """

    slug: str
    started_at: datetime
    ended_at: datetime
    reason: str


@dataclass
class Session:
    """One session of one student.

    Attributes:
        id: caliper_session.id.
        student_id: one_roster_user.id.
        app_id: lti_application.id.
        started_at: start, UTC.
        ended_at: time of the last thing that happened in it, UTC.
        is_test: whether graded work was done in it.
        findings: what the log shows about it.
    """

    id: str
    student_id: UUID
    app_id: UUID
    started_at: datetime
    ended_at: datetime
    is_test: bool = False
    findings: list[Finding] = field(default_factory=list)


def add_session(rows: OperationalRows, session: Session, *, is_closed: bool = True) -> None:
    """Add the session's row and the Caliper events of its start and, where it was closed, its end."""
    rows.add(
        "caliper_session",
        id=session.id,
        user_id=session.student_id,
        client_id=session.app_id,
        started_at_time=session.started_at,
        ended_at_time=session.ended_at if is_closed else None,
        date_created=session.started_at,
        date_last_modified=session.ended_at,
    )
    moments = [("Started", session.started_at)]
    if is_closed:
        moments.append(("LoggedOut", session.ended_at))
    for action, moment in moments:
        rows.add(
            "caliper_event",
            id=f"{session.id}#{action}",
            type="SessionEvent",
            action=action,
            actor_id=str(session.student_id),
            object_id=str(session.app_id),
            session_id=session.id,
            event_time=moment,
        )
