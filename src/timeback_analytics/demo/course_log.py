"""Sessions, events and attempts of 40 students, from the Moodle log of a course.

A session ends where its student does nothing for more than an hour. What the log gets wrong stays wrong:
quizzes submitted twice, never submitted, never started, or submitted before they were started.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from timeback_analytics.demo.calendar import moodle_time
from timeback_analytics.demo.curriculum import MOODLE_COURSE_ID, Curriculum, is_moodle_test
from timeback_analytics.demo.durations import iso_duration
from timeback_analytics.demo.ids import share, uid, urn
from timeback_analytics.demo.people import Student
from timeback_analytics.demo.points import add_points
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.sessions import Finding, Session, add_session
from timeback_analytics.demo.source_files import demo_dir, read_csv

_INACTIVITY = timedelta(hours=1)
_IDLE = timedelta(minutes=20)
_HOPPING = timedelta(minutes=1)
_HOPS = 4

_COMPLETED = "Course activity completion updated"
# Event names of Moodle that say what a student did, as Caliper's event type and action.
# Names left out here (subscriptions, tags) are bookkeeping; they count for a session's length alone.
_CALIPER = {
    "A file has been uploaded.": ("ResourceManagementEvent", "Uploaded"),
    "A submission has been submitted.": ("AssignableEvent", "Submitted"),
    "Choice answer added": ("QuestionnaireItemEvent", "Completed"),
    "Clicked join meeting button": ("NavigationEvent", "NavigatedTo"),
    "Comment created": ("FeedbackEvent", "Commented"),
    _COMPLETED: ("AssignableEvent", "Completed"),
    "Course module viewed": ("ViewEvent", "Viewed"),
    "Course viewed": ("NavigationEvent", "NavigatedTo"),
    "Discussion created": ("ThreadEvent", "Created"),
    "Discussion viewed": ("ThreadEvent", "MarkedAsRead"),
    "Feedback viewed": ("ViewEvent", "Viewed"),
    "Post created": ("MessageEvent", "Posted"),
    "Post updated": ("ResourceManagementEvent", "Modified"),
    "Quiz attempt reviewed": ("AssignableEvent", "Reviewed"),
    "Quiz attempt started": ("AssessmentEvent", "Started"),
    "Quiz attempt submitted": ("AssessmentEvent", "Submitted"),
    "Quiz attempt summary viewed": ("ViewEvent", "Viewed"),
    "Quiz attempt viewed": ("ViewEvent", "Viewed"),
    "Submission created.": ("ResourceManagementEvent", "Created"),
    "Submission form viewed.": ("ViewEvent", "Viewed"),
    "Submission updated.": ("ResourceManagementEvent", "Modified"),
    "The status of the submission has been viewed.": ("ViewEvent", "Viewed"),
    "The user duplicated their submission.": ("ResourceManagementEvent", "Copied"),
}
_QUIZ = "Quiz: learning analytics"
_SUBMITTED = ("A submission has been submitted.", "Quiz attempt submitted")
# Columns of the results, each at most 10 points, with the work that they grade.
_GRADES = {
    "Assignment: SNA assignment": "Grade.SNA_1",
    "Assignment: Social network assignment 2 (only PDF reports)": "Grade.SNA_2",
    "Assignment: Literature review": "Grade.Literature",
    "Assignment: Final Project": "Grade.Project",
    "Assignment: Upload the group presentation": "Grade.Group_All",
    _QUIZ: "Grade.Introduction",
}
_MAX_GRADE = 10
_POINTS_FOR_COMPLETION = 2


@dataclass
class _Entry:
    """A line of the log; attempt_id is the attempt that its Caliper event generates."""

    number: int
    at: datetime
    context: str
    name: str
    action: str
    session: Session | None = None
    attempt_id: str | None = None


def log_users() -> list[str]:
    """The students of the log, in the order of the results file."""
    return [line["user"] for line in read_csv(demo_dir() / "la_course" / "results.csv")]


def add_course_log(
    rows: OperationalRows, curriculum: Curriculum, students: dict[str, Student], app_id: UUID
) -> list[Session]:
    """Add sessions, events, attempts and scores of the log.

    Args:
        rows: where the rows go.
        curriculum: has the resource of each context of the log.
        students: who carries the data of which user of the log.
        app_id: the application that all of it happens in.

    Returns:
        The sessions, with what the log shows about each.
    """
    results = {line["user"]: line for line in read_csv(demo_dir() / "la_course" / "results.csv")}
    by_user: dict[str, list[_Entry]] = defaultdict(list)
    for number, line in enumerate(read_csv(demo_dir() / "la_course" / "events.csv")):
        entry = _Entry(
            number,
            moodle_time(line["timecreated"]),
            line["Event.context"],
            line["Event.name"],
            line["Action"],
        )
        by_user[line["user"]].append(entry)

    sessions: list[Session] = []
    for user, entries in by_user.items():
        student = students[user]
        entries.sort(key=lambda entry: (entry.at, entry.number))
        for place, of_session in enumerate(_by_session(entries)):
            # both forms that Caliper clients send: an IRI, and a bare UUID
            session_id = (
                urn("session", user, place) if share("iri", user) < 0.7 else str(uid("session", user, place))
            )
            session = Session(session_id, student.id, app_id, of_session[0].at, of_session[-1].at)
            for entry in of_session:
                entry.session = session
            session.is_test = any(entry.context == _QUIZ for entry in of_session)
            session.findings = list(_findings(of_session))
            add_session(rows, session, is_closed=share("closed", session_id) < 0.98)
            _add_visits(rows, curriculum, user, student, place, of_session)
            sessions.append(session)
        for context, column in _GRADES.items():
            work = [entry for entry in entries if entry.context == context]
            periods = _quiz_periods(work) if context == _QUIZ else _submission_periods(work)
            resource = curriculum.moodle_resources[context]
            _add_graded_attempts(rows, user, student, resource, periods, float(results[user][column]))
        _add_events(rows, curriculum, student, app_id, entries)
    return sessions


def _by_session(entries: list[_Entry]) -> Iterator[list[_Entry]]:
    current = [entries[0]]
    for earlier, later in pairwise(entries):
        if later.at - earlier.at > _INACTIVITY:
            yield current
            current = []
        current.append(later)
    yield current


def _findings(entries: list[_Entry]) -> Iterator[Finding]:
    """Waste that a log shows: chatting, doing nothing, running from one thing to the next, leaving a quiz."""
    for earlier, later in pairwise(entries):
        if earlier.action == "Social":
            yield Finding(
                "Socializing", earlier.at, later.at, f"In the forum {earlier.context.partition(': ')[2]}"
            )
        elif later.at - earlier.at >= _IDLE:
            minutes = int((later.at - earlier.at).total_seconds() // 60)
            yield Finding("Idling", earlier.at, later.at, f"Nothing happened for {minutes} minutes")
    visits = [entry for entry in entries if entry.action not in ("Course_view", "Social")]
    place = 0
    while place + _HOPS <= len(visits):
        hop = visits[place : place + _HOPS]
        if len({entry.context for entry in hop}) == _HOPS and hop[-1].at - hop[0].at <= _HOPPING:
            opened = ", ".join(f"“{entry.context.partition(': ')[2]}”" for entry in hop)
            yield Finding("TopicShopping", hop[0].at, hop[-1].at, f"Opened {opened} within a minute")
            place += _HOPS
        else:
            place += 1
    quiz = [entry for entry in entries if entry.context == _QUIZ]
    names = {entry.name for entry in quiz}
    if (
        "Quiz attempt started" in names
        and "Quiz attempt submitted" not in names
        and quiz[-1] is not entries[-1]
    ):
        yield Finding(
            "AbandonedAssessment", quiz[-1].at, entries[-1].at, "Left a quiz that was never submitted"
        )


def _add_visits(
    rows: OperationalRows,
    curriculum: Curriculum,
    user: str,
    student: Student,
    place: int,
    entries: list[_Entry],
) -> None:
    """A student's time on a lesson in one session is an attempt without a score."""
    visits: dict[str, list[int]] = defaultdict(list)
    for number, entry in enumerate(entries):
        if entry.context in curriculum.moodle_resources and not is_moodle_test(entry.context):
            visits[entry.context].append(number)
    for context, numbers in visits.items():
        attempt_id = urn("visit", user, place, context)
        first = entries[numbers[0]]
        # until the student did something else
        last = entries[min(numbers[-1] + 1, len(entries) - 1)]
        first.attempt_id = attempt_id
        rows.add(
            "caliper_attempt",
            id=attempt_id,
            assignee_id=student.id,
            assignable_id=curriculum.moodle_resources[context],
            started_at_time=first.at,
            ended_at_time=last.at,
            date_created=first.at,
            date_last_modified=last.at,
        )


def _quiz_periods(entries: list[_Entry]) -> list[tuple[_Entry | None, _Entry | None]]:
    """The n-th start with the n-th submit, as the log has them: ends may be missing, or run backwards."""
    starts = [entry for entry in entries if entry.name == "Quiz attempt started"]
    submits = [entry for entry in entries if entry.name == "Quiz attempt submitted"]
    longest = max(len(starts), len(submits))
    starts_padded = [*starts, *[None] * (longest - len(starts))]
    submits_padded = [*submits, *[None] * (longest - len(submits))]
    return list(zip(starts_padded, submits_padded, strict=True))


def _submission_periods(entries: list[_Entry]) -> list[tuple[_Entry | None, _Entry | None]]:
    """From the first look at an assignment, or the one after a submission, to the next submission if any."""
    periods: list[tuple[_Entry | None, _Entry | None]] = []
    start: _Entry | None = None
    for entry in entries:
        start = start or entry
        if entry.name in _SUBMITTED:
            periods.append((start, entry))
            start = None
    if not periods and start:
        periods.append((start, None))
    return periods


def _add_graded_attempts(
    rows: OperationalRows,
    user: str,
    student: Student,
    resource: str,
    periods: list[tuple[_Entry | None, _Entry | None]],
    grade: float,
) -> None:
    for number, (start, submit) in enumerate(periods, start=1):
        attempt_id = urn("graded", user, resource, number)
        last = submit or start
        if last is None:
            raise ValueError("a period has a start or a submission")
        for entry in (start, submit):
            if entry:
                entry.attempt_id = attempt_id
        rows.add(
            "caliper_attempt",
            id=attempt_id,
            assignee_id=student.id,
            assignable_id=resource,
            count=number,
            started_at_time=start.at if start else None,
            ended_at_time=submit.at if submit else None,
            duration=iso_duration(submit.at - start.at, attempt_id) if start and submit else None,
            date_created=last.at,
            date_last_modified=last.at,
        )
        # work that was never handed in is graded too, if with nothing
        graded_at = last.at + timedelta(days=3)
        rows.add(
            "caliper_score",
            id=urn("score", attempt_id),
            attempt_id=attempt_id,
            score_given=grade,
            max_score=_MAX_GRADE,
            date_created=graded_at,
        )
        rows.add(
            "caliper_event",
            id=urn("graded event", attempt_id),
            type="GradeEvent",
            action="Graded",
            object_id=attempt_id,
            generated_id=urn("score", attempt_id),
            event_time=graded_at,
        )


def _add_events(
    rows: OperationalRows, curriculum: Curriculum, student: Student, app_id: UUID, entries: list[_Entry]
) -> None:
    for entry in entries:
        if entry.name not in _CALIPER:
            continue
        event_type, action = _CALIPER[entry.name]
        event_id = urn("log", entry.number)
        rows.add(
            "caliper_event",
            id=event_id,
            type=event_type,
            action=action,
            actor_id=str(student.id),
            object_id=curriculum.moodle_resources.get(entry.context, MOODLE_COURSE_ID),
            generated_id=entry.attempt_id,
            session_id=entry.session.id if entry.session else None,
            event_time=entry.at,
        )
        if entry.name == _COMPLETED:
            add_points(rows, student.id, app_id, event_id, entry.at, _POINTS_FOR_COMPLETION)
