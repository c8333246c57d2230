"""Sessions in which students answer questions and hand in work, with the scores of a real gradebook.

A quiz of the gradebook becomes a question of OATutor, so that the answers of one item all meet one question;
homework, exams and the rest are attempts on the gradebook's own tests. The gradebook has no times: when
somebody learns is taken from the students of the Moodle log, how fast from the minutes that the student
spent on the course.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp
from uuid import UUID

from timeback_analytics.demo.curriculum import Curriculum, Question
from timeback_analytics.demo.durations import iso_duration
from timeback_analytics.demo.ids import between, normal, share, urn
from timeback_analytics.demo.people import Student
from timeback_analytics.demo.points import add_points
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.sessions import Session, add_session
from timeback_analytics.demo.source_files import demo_dir, read_csv

# Terms whose names begin with S2 are second semesters; from the Moodle log's first week to theirs.
_TO_SECOND_SEMESTER = timedelta(weeks=18)
_UNKNOWN_MINUTES = 1500.0
_SLOWEST = 1800.0


@dataclass(frozen=True)
class _Item:
    name: str
    is_quiz: bool
    possible: float | None
    earned: float | None


@dataclass
class Mastery:
    """How a student did on the questions of one lesson.

    Attributes:
        earned: points, over all questions that were scored.
        possible: the most that there were.
        last_at: the last answer, UTC.
    """

    earned: float = 0
    possible: float = 0
    last_at: datetime | None = None


def gradebook_users() -> list[str]:
    """The students of the gradebook, in its order."""
    return list(dict.fromkeys(line["Bb_UserPK"] for line in _gradebook()))


def add_practice(
    rows: OperationalRows,
    curriculum: Curriculum,
    students: dict[str, Student],
    rhythms: Sequence[Sequence[datetime]],
    practice_app: UUID,
    gradebook_app: UUID,
) -> tuple[list[Session], dict[tuple[UUID, str], Mastery]]:
    """Add sessions, attempts, scores, events and points of the gradebook's students.

    Args:
        rows: where the rows go.
        curriculum: the questions and tests.
        students: who carries the scores of which user of the gradebook.
        rhythms: starts of sessions, in order, one list for each student of the Moodle log.
        practice_app: the application in which questions are answered.
        gradebook_app: the application in which other work is handed in.

    Returns:
        The sessions, and by student and lesson how its questions went.
    """
    courses = _items_of_courses()
    minutes = {
        (line["Bb_UserPK"], line["CourseSectionOrigID"]): float(line["TimeSpent"])
        for line in read_csv(demo_dir() / "dataedu" / "course_minutes.csv")
    }
    questions = _questions_of_items(curriculum, courses)

    writer = _Writer(rows, practice_app, gradebook_app)
    for (user, section), items in courses.items():
        # a student works through questions in one application and hands work in in another
        for is_quiz in (True, False):
            chosen = [item for item in items if item.is_quiz == is_quiz]
            # minutes an item, taken as seconds: a course in the time of a quiz
            pace = minutes.get((user, section), _UNKNOWN_MINUTES) / len(items)
            rhythm = rhythms[between(0, len(rhythms) - 1, "rhythm", user)]
            groups = _groups(chosen, user, section)
            for place, group in enumerate(groups):
                started_at = rhythm[place * len(rhythm) // len(groups)]
                started_at += timedelta(
                    weeks=between(0, 3, "week", user, is_quiz),
                    minutes=between(0, 55, "minute", user, place, is_quiz),
                )
                if section.split("-")[1].startswith("S2"):
                    started_at += _TO_SECOND_SEMESTER
                targets = [
                    questions[section, item.name]
                    if is_quiz
                    else curriculum.gradebook_tests[section.split("-")[0], item.name]
                    for item in group
                ]
                key = f"{user}/{section}/{is_quiz}/{place}"
                writer.add(key, students[user], list(zip(group, targets, strict=True)), started_at, pace)
    return writer.sessions, dict(writer.mastery)


class _Writer:
    def __init__(self, rows: OperationalRows, practice_app: UUID, gradebook_app: UUID) -> None:
        self._rows = rows
        self._apps = {True: practice_app, False: gradebook_app}
        self.sessions: list[Session] = []
        self.mastery: dict[tuple[UUID, str], Mastery] = defaultdict(Mastery)

    def add(
        self,
        key: str,
        student: Student,
        work: list[tuple[_Item, Question | str]],
        started_at: datetime,
        pace: float,
    ) -> None:
        """One session: its items one after the other, each as fast as the pace (seconds an item) allows."""
        session = Session(
            urn("practice", key), student.id, self._apps[work[0][0].is_quiz], started_at, started_at
        )
        now = started_at + timedelta(seconds=between(1, 40, "settle", key))
        for number, (item, target) in enumerate(work):
            seconds = min(max(pace * exp(normal(0, 0.6, "pace", key, number)), 3), _SLOWEST)
            # the last digits of exp are not the same on every machine
            seconds = round(seconds, 2)
            now = self._add_attempt(f"{key}/{number}", session, item, target, now, seconds)
            now += timedelta(seconds=between(1, 20, "pause", key, number))
        session.ended_at = now
        session.is_test = not work[0][0].is_quiz
        add_session(self._rows, session, is_closed=share("closed", key) < 0.98)
        self.sessions.append(session)

    def _add_attempt(
        self, key: str, session: Session, item: _Item, target: Question | str, now: datetime, seconds: float
    ) -> datetime:
        is_wrong = item.earned is not None and item.possible is not None and item.earned < item.possible
        tries = 2 if isinstance(target, Question) and is_wrong and share("again", key) < 0.3 else 1
        for count in range(1, tries + 1):
            ended_at = now + timedelta(seconds=seconds)
            # who tries again gets it right
            earned = item.earned if count == 1 else item.possible
            self._add_try(f"{key}/{count}", session, target, count, now, ended_at, earned, item.possible)
            if count == 1 and isinstance(target, Question) and earned is not None and item.possible:
                self._note_mastery(session, target, ended_at, earned, item.possible)
            now = ended_at
        return now

    def _add_try(
        self,
        key: str,
        session: Session,
        target: Question | str,
        count: int,
        started_at: datetime,
        ended_at: datetime,
        earned: float | None,
        possible: float | None,
    ) -> None:
        attempt_id, event_id = urn("attempt", key), urn("event", key)
        is_question = isinstance(target, Question)
        resource = target.id if isinstance(target, Question) else target
        self._rows.add(
            "caliper_attempt",
            id=attempt_id,
            assignee_id=session.student_id,
            assignable_id=resource,
            count=count,
            started_at_time=started_at,
            ended_at_time=ended_at,
            duration=iso_duration(ended_at - started_at, attempt_id),
            date_created=started_at,
            date_last_modified=ended_at,
        )
        self._rows.add(
            "caliper_event",
            id=event_id,
            type="AssessmentItemEvent" if is_question else "AssessmentEvent",
            action="Completed" if is_question else "Submitted",
            actor_id=str(session.student_id),
            object_id=resource,
            generated_id=attempt_id,
            session_id=session.id,
            event_time=ended_at,
        )
        self._add_marks(key, session, is_question, ended_at, earned, possible)
        if earned is not None and possible:
            worth = (ended_at - started_at).total_seconds() / 60 * min(earned / possible, 1)
            add_points(self._rows, session.student_id, session.app_id, event_id, ended_at, round(worth, 2))

    def _add_marks(
        self,
        key: str,
        session: Session,
        is_question: bool,
        ended_at: datetime,
        earned: float | None,
        possible: float | None,
    ) -> None:
        """The score of a try, with its event; a few are scored twice."""
        attempt_id = urn("attempt", key)
        # a question is marked at once, other work by a person, outside of any session
        graded_at = ended_at + (
            timedelta(seconds=1) if is_question else timedelta(days=between(1, 9, "mark", key))
        )
        marks = [(graded_at, earned)]
        if share("marked again", key) < 0.02:
            marks.insert(0, (graded_at - timedelta(milliseconds=500), 0.0))
        for number, (marked_at, points) in enumerate(marks):
            score_id = urn("mark", key, number)
            self._rows.add(
                "caliper_score",
                id=score_id,
                attempt_id=attempt_id,
                score_given=points,
                max_score=possible,
                date_created=marked_at,
            )
            self._rows.add(
                "caliper_event",
                id=urn("grade event", key, number),
                type="GradeEvent",
                action="Graded",
                object_id=attempt_id,
                generated_id=score_id,
                session_id=session.id if is_question else None,
                event_time=marked_at,
            )

    def _note_mastery(
        self, session: Session, question: Question, answered_at: datetime, earned: float, possible: float
    ) -> None:
        mastery = self.mastery[session.student_id, question.lesson_id]
        mastery.earned += min(earned, possible)
        mastery.possible += possible
        mastery.last_at = max(mastery.last_at or answered_at, answered_at)


def _gradebook() -> list[dict[str, str]]:
    return read_csv(demo_dir() / "dataedu" / "course_data.csv")


def _items_of_courses() -> dict[tuple[str, str], list[_Item]]:
    """The gradebook's items by user and section."""
    courses: dict[tuple[str, str], list[_Item]] = defaultdict(list)
    for line in _gradebook():
        item = _Item(
            line["Gradebook_Item"],
            line["Grade_Category"] == "Qz",
            _number(line["Points_Possible"]),
            _number(line["Points_Earned"]),
        )
        courses[line["Bb_UserPK"], line["CourseSectionOrigID"]].append(item)
    return courses


def _number(text: str) -> float | None:
    return float(text) if text else None


def _groups(items: list[_Item], user: str, section: str) -> list[list[_Item]]:
    """The items in sessions of two to six, in their order."""
    groups: list[list[_Item]] = []
    while items:
        size = between(2, 6, "group", user, section, len(groups))
        groups.append(items[:size])
        items = items[size:]
    return groups


def _questions_of_items(
    curriculum: Curriculum, courses: dict[tuple[str, str], list[_Item]]
) -> dict[tuple[str, str], Question]:
    """The question that each quiz of each section stands for; a section keeps to one chapter."""
    quizzes: dict[str, list[str]] = defaultdict(list)
    for (_, section), items in courses.items():
        for item in items:
            if item.is_quiz and item.name not in quizzes[section]:
                quizzes[section].append(item.name)
    chapters = list(curriculum.questions)
    chosen: dict[tuple[str, str], Question] = {}
    for number, section in enumerate(sorted(quizzes)):
        questions = curriculum.questions[chapters[number % len(chapters)]]
        for place, name in enumerate(quizzes[section]):
            # spread over the chapter, so that each of its lessons is met
            chosen[section, name] = questions[place * len(questions) // len(quizzes[section])]
    return chosen
