"""Achievements and credentials: mastery of CASE items from answered questions, and three CLR credentials."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from timeback_analytics.demo.curriculum import Curriculum
from timeback_analytics.demo.ids import share, uid
from timeback_analytics.demo.people import Student
from timeback_analytics.demo.practice import Mastery
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.source_files import demo_dir

# Credentials of the files are dated by either, depending on the version of the standard.
_AWARDED_KEYS = ("awardedDate", "validFrom", "issuanceDate")


def cf_item_id(kind: str, key: str) -> UUID:
    """The item of a course (its title) or lesson (its id) of OATutor, in demo/case/oatutor_courses.json."""
    return uid("cf item", kind, key)


def add_mastery(
    rows: OperationalRows, curriculum: Curriculum, mastery: dict[tuple[UUID, str], Mastery], course: str
) -> None:
    """A standard's mastery for each student and lesson, and the course's for who answered much of it.

    Args:
        rows: where the rows go.
        curriculum: the lessons.
        mastery: by student and lesson id, how the questions went.
        course: title of the course that the lessons belong to.
    """
    course_achievement = uid("achievement", course)
    rows.add(
        "clr_achievement",
        id=course_achievement,
        cf_item_id=cf_item_id("course", course),
        achievement_type="CurriculumMastery",
    )
    for lesson in sorted({lesson for _, lesson in mastery}):
        rows.add(
            "clr_achievement",
            id=uid("achievement", lesson),
            cf_item_id=cf_item_id("lesson", lesson),
            achievement_type="StandardMastery",
        )
    of_student: dict[UUID, list[Mastery]] = {}
    for (student_id, lesson), so_far in mastery.items():
        of_student.setdefault(student_id, []).append(so_far)
        credential = uid("credential", student_id, lesson)
        _add_credential(
            rows, credential, uid("achievement", lesson), student_id, _fraction([so_far]), so_far.last_at
        )
    for student_id, lessons in of_student.items():
        if len(lessons) >= 5:
            last_at = max(lesson.last_at for lesson in lessons if lesson.last_at)
            credential = uid("credential", student_id, course)
            _add_credential(rows, credential, course_achievement, student_id, _fraction(lessons), last_at)


def _fraction(lessons: Iterable[Mastery]) -> float:
    lessons = list(lessons)
    return round(sum(lesson.earned for lesson in lessons) / sum(lesson.possible for lesson in lessons), 6)


def _add_credential(
    rows: OperationalRows,
    credential_id: UUID,
    achievement_id: UUID,
    student_id: UUID,
    fraction: float | None,
    awarded_at: datetime | None,
) -> None:
    # a few credentials came from a system that did not hand their dates on
    is_dated = share("dated", credential_id) >= 0.02
    rows.add(
        "clr_achievement_credential",
        id=credential_id,
        achievement_id=achievement_id,
        credential_subject_id=student_id,
        result_value=fraction,
        awarded_date=awarded_at if is_dated else None,
        date_last_modified=awarded_at or datetime(2026, 1, 1, tzinfo=UTC),
    )


def add_clr_credentials(rows: OperationalRows, holders: list[Student]) -> None:
    """The credentials of the CLR files, one holder a file. A result such as A, not a number, is null."""
    for holder, path in zip(holders, sorted((demo_dir() / "clr").glob("*.json")), strict=False):
        clr = json.loads(path.read_text(encoding="utf-8"))
        for credential in clr["credentialSubject"]["verifiableCredential"]:
            subject = credential["credentialSubject"]
            achievement = subject["achievement"]
            # two files hold the same badge, and some achievements of one file share an id
            achievement_id = uid("clr achievement", achievement["id"], achievement["name"])
            rows.add_once(
                "clr_achievement",
                id=achievement_id,
                cf_item_id=None,
                achievement_type=achievement.get("achievementType", "Achievement"),
            )
            results = [_as_fraction(result.get("value")) for result in subject.get("result", [])]
            awarded = next(credential[key] for key in _AWARDED_KEYS if key in credential)
            _add_credential(
                rows,
                uid("clr credential", path.name, credential["id"]),
                achievement_id,
                holder.id,
                results[0] if results else None,
                datetime.fromisoformat(awarded),
            )


def _as_fraction(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
