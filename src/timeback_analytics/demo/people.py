"""The demo's students as the loaders brought them, and which stranger's data each of them carries."""

from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg import sql

from timeback_analytics.demo.ids import uid


@dataclass(frozen=True)
class Student:
    """A student of a loaded roster.

    Attributes:
        id: one_roster_user.id.
        school_id: the organization of the student's role.
        grade: CEDS code of the student's classes, such as "04"; None where they have none.
    """

    id: UUID
    school_id: UUID
    grade: str | None


def roster_students(conn: psycopg.Connection, schema: str) -> list[Student]:
    """Every student of the rosters; the schools take turns, so that the first few are of all schools."""
    statement = sql.SQL(
        """
        select
            role.user_id,
            min(role.org_id::text)::uuid,
            (
                select min(grade.grade_primary_identifier)
                from {enrollment} as enrollment
                inner join {class_grade} as class_grade on class_grade.class_id = enrollment.class_id
                inner join {grade} as grade on grade.id = class_grade.placement_grade_id
                where enrollment.user_id = role.user_id and enrollment.role = 'student'
            )
        from {role} as role
        where role.role = 'student'
        group by role.user_id
        """
    ).format(
        enrollment=sql.Identifier(schema, "one_roster_enrollment"),
        class_grade=sql.Identifier(schema, "one_roster_class_grade"),
        grade=sql.Identifier(schema, "placement_grade"),
        role=sql.Identifier(schema, "one_roster_role"),
    )
    students = [Student(*row) for row in conn.execute(statement)]
    by_school: dict[UUID, list[Student]] = {}
    # the order of a hash, so that the first ones of a school are of all its grades
    for student in sorted(students, key=lambda student: uid("order", student.id)):
        by_school.setdefault(student.school_id, []).append(student)
    turns = [
        (turn, school_id, student)
        for school_id, school_students in by_school.items()
        for turn, student in enumerate(school_students)
    ]
    return [student for _, _, student in sorted(turns, key=lambda entry: entry[:2])]
