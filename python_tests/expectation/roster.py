"""Classes, courses and schools, and who is enrolled."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

from .activity import closed_session
from .insights import waste_events
from .people import school_attachments, student_enrollments
from .rules import Project, Row, Tables, by_key, earliest, grouped, ids, is_blank, whole_seconds


def text_of(value: UUID | None) -> str | None:
    """A course id as the curriculum has it: text, since courses may be named by URL."""
    return None if value is None else str(value)


def class_facts(tables: Tables, class_id: UUID) -> Row:
    """What the datasets say about a class besides its title; null and empty where the class has no row."""
    classes = by_key(tables["one_roster_class"], "id")
    courses = by_key(tables["one_roster_course"], "id")
    organizations = by_key(tables["one_roster_organization"], "id")
    of_class = classes.get(class_id, {"course_id": None, "school_id": None})
    return {
        "course_id": text_of(of_class["course_id"]),
        "course_title": courses.get(of_class["course_id"], {"title": None})["title"],
        "school_id": of_class["school_id"],
        "school_name": organizations.get(of_class["school_id"], {"name": None})["name"],
        "subject_ids": ids(
            row["subject_id"] for row in tables["one_roster_class_subject"] if row["class_id"] == class_id
        ),
        "grade_ids": ids(
            row["placement_grade_id"]
            for row in tables["one_roster_class_grade"]
            if row["class_id"] == class_id
        ),
    }


def classes(tables: Tables, project: Project) -> Iterator[Row]:
    """Every class, its title as the source has it."""
    for row in tables["one_roster_class"]:
        yield {
            "id": row["id"],
            "title": row["title"],
            "class_code": row["class_code"],
            "class_type": row["class_type"],
            "status": row["status"],
            **class_facts(tables, row["id"]),
        }


def class_enrollments(tables: Tables, project: Project) -> Iterator[Row]:
    """Every student enrollment. The class title is never null here, so a blank one reads 'N/A'."""
    titles = {row["id"]: row["title"] for row in tables["one_roster_class"]}
    for enrollment in student_enrollments(tables):
        title = titles.get(enrollment["class_id"])
        yield {
            "enrollment_id": enrollment["id"],
            "student_id": enrollment["user_id"],
            "class_id": enrollment["class_id"],
            "class_title": "N/A" if is_blank(title) else title,
            "role": enrollment["role"],
            # true for the primary enrollment, false otherwise
            "is_primary": enrollment["primary"] is True,
            "begin_date": enrollment["begin_date"],
            "end_date": enrollment["end_date"],
            "status": enrollment["status"],
            **class_facts(tables, enrollment["class_id"]),
        }


def course_enrollments(tables: Tables, project: Project) -> Iterator[Row]:
    """Student enrollments rolled up to the course; those in a class without a course have no row."""
    of_class = by_key(tables["one_roster_class"], "id")
    courses = by_key(tables["one_roster_course"], "id")
    rolled_up: dict[tuple[UUID, UUID], list[Row]] = {}
    for enrollment in student_enrollments(tables):
        course_id = of_class.get(enrollment["class_id"], {}).get("course_id")
        if course_id is not None:
            rolled_up.setdefault((enrollment["user_id"], course_id), []).append(enrollment)
    for (student_id, course_id), enrollments in rolled_up.items():
        facts = [class_facts(tables, enrollment["class_id"]) for enrollment in enrollments]
        ends = [enrollment["end_date"] for enrollment in enrollments]
        flags = {enrollment["primary"] for enrollment in enrollments} - {None}
        yield {
            "student_id": student_id,
            "course_id": str(course_id),
            "course_title": courses.get(course_id, {"title": None})["title"],
            "school_ids": ids(fact["school_id"] for fact in facts),
            "subject_ids": ids(subject for fact in facts for subject in fact["subject_ids"]),
            "begin_date": earliest(enrollment["begin_date"] for enrollment in enrollments),
            # one enrollment without an end means that the course is still going on
            "end_date": None if None in ends else max(ends),
            "has_primary": any(flags) if flags else None,
            "class_count": len({enrollment["class_id"] for enrollment in enrollments}),
        }


def schools(tables: Tables, project: Project) -> Iterator[Row]:
    """Organizations of type school, with the name of the parent, whatever type that is."""
    names = {row["id"]: row["name"] for row in tables["one_roster_organization"]}
    of_school = grouped(school_attachments(tables), "school_id")
    for row in tables["one_roster_organization"]:
        if row["type"] == "school":
            yield {
                "id": row["id"],
                "name": row["name"],
                "identifier": row["identifier"],
                "parent_id": row["parent_id"],
                "parent_name": names.get(row["parent_id"]),
                "status": row["status"],
                "student_count": len({link["student_id"] for link in of_school.get(row["id"], [])}),
            }


def school_usage_stats(tables: Tables, project: Project) -> Iterator[Row]:
    """Totals over the distinct students attached to a school, whatever the dates of the attachment.

    Each session and each waste insight is rounded to whole seconds before it is summed.
    """
    of_school = grouped(school_attachments(tables), "school_id")
    app_time: dict[UUID | None, Decimal] = {}
    for session in tables["caliper_session"]:
        _, duration = closed_session(session)
        if duration is not None:
            app_time[session["user_id"]] = app_time.get(session["user_id"], Decimal(0)) + duration
    waste_time: dict[UUID, Decimal] = {}
    for event in waste_events(tables):
        waste = whole_seconds(event["started_at_time"], event["ended_at_time"])
        waste_time[event["student_id"]] = waste_time.get(event["student_id"], Decimal(0)) + waste
    for row in tables["one_roster_organization"]:
        if row["type"] == "school":
            attached = {link["student_id"] for link in of_school.get(row["id"], [])}
            yield {
                "school_id": row["id"],
                "school_name": row["name"],
                "student_count": len(attached),
                "total_app_time_sec": sum(
                    (app_time.get(student, Decimal(0)) for student in attached), Decimal(0)
                ),
                "total_waste_time_sec": sum(
                    (waste_time.get(student, Decimal(0)) for student in attached), Decimal(0)
                ),
            }
