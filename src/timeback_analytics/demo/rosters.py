"""What the OneRoster bundles do not say: when people came and went, who guides whom, results, placements."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from timeback_analytics.demo.calendar import RECORDED, YEAR_BEGIN, at
from timeback_analytics.demo.ids import between, normal, pick, share, uid
from timeback_analytics.demo.people import Student
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.source_files import demo_dir, education_levels, read_csv

_PLACED_SUBJECTS = ("Mathematics", "English", "Science")
_MAP_WINDOWS = (date(2025, 9, 15), date(2026, 1, 20), date(2026, 5, 4))
_MAP_TESTS = ("mathematics", "reading")
# The registrations that the registrar of the Open University had not closed.
_RUNNING_PRESENTATION = "2014J"


def add_education_levels(rows: OperationalRows) -> None:
    """The CEDS education levels as grades; rosters and CASE packages name them by code."""
    for level in education_levels():
        rows.add(
            "placement_grade",
            id=level["uuid"],
            grade_primary_identifier=level["code"],
            label=level["label"],
            order_number=int(level["rank"]),
        )


def date_enrollments(conn: psycopg.Connection, schema: str) -> None:
    """Give each student's enrollment the period of a registration at the Open University.

    A course begins with the school year, or when somebody registers later; who withdraws before it begins
    has an enrollment that ends before it starts. A registration without a date keeps none.
    """
    registrations = read_csv(demo_dir() / "oulad" / "student_registration.csv")
    enrollments = conn.execute(
        sql.SQL("select id, status, end_date from {} where role = 'student' order by id").format(
            sql.Identifier(schema, "one_roster_enrollment")
        )
    ).fetchall()
    periods = [
        (enrollment_id, *_period(registrations[number % len(registrations)], status, end_date))
        for number, (enrollment_id, status, end_date) in enumerate(enrollments)
    ]
    _update(
        conn,
        sql.SQL(
            """
            update {} as enrollment
            set begin_date = dated.begin_date, end_date = dated.end_date, status = dated.status
            from unnest(%s::uuid[], %s::date[], %s::date[], %s::text[])
                as dated (id, begin_date, end_date, status)
            where enrollment.id = dated.id
            """
        ).format(sql.Identifier(schema, "one_roster_enrollment")),
        periods,
    )


def _period(
    registration: dict[str, str], status: str, end_date: date | None
) -> tuple[date | None, date | None, str]:
    begin = None
    if registration["date_registration"]:
        begin = YEAR_BEGIN + timedelta(days=max(int(registration["date_registration"]), 0))
    if registration["date_unregistration"]:
        return begin, YEAR_BEGIN + timedelta(days=int(registration["date_unregistration"])), "inactive"
    if registration["code_presentation"] == _RUNNING_PRESENTATION:
        return begin, None, status
    return begin, end_date, status


def date_roles(conn: psycopg.Connection, schema: str) -> None:
    """Date the roles of students: from some day of the last years on, without an end.

    The admission date follows the begin date, as where it was back-filled; some have their own, some none.
    """
    roles = conn.execute(
        sql.SQL("select id from {} where role = 'student' order by id").format(
            sql.Identifier(schema, "one_roster_role")
        )
    ).fetchall()
    dated = []
    for (role_id,) in roles:
        begin = YEAR_BEGIN - timedelta(days=365 * between(0, 4, "years", role_id))
        kind = share("admission", role_id)
        admission = (
            None if kind < 0.1 else begin if kind < 0.85 else begin - timedelta(days=between(1, 60, role_id))
        )
        dated.append((role_id, None if share("begin", role_id) < 0.05 else begin, admission))
    _update(
        conn,
        sql.SQL(
            """
            update {} as role
            set begin_date = dated.begin_date, admission_date = dated.admission_date
            from unnest(%s::uuid[], %s::date[], %s::date[]) as dated (id, begin_date, admission_date)
            where role.id = dated.id
            """
        ).format(sql.Identifier(schema, "one_roster_role")),
        dated,
    )


def _update(conn: psycopg.Connection, statement: sql.Composed, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        conn.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def add_guides(conn: psycopg.Connection, schema: str, rows: OperationalRows) -> None:
    """The homeroom teacher guides each student; a school's administrator is its principal and guides some."""
    homerooms = conn.execute(
        sql.SQL(
            """
            select distinct student.user_id, teacher.user_id, class.school_id
            from {class} as class
            inner join {enrollment} as student on student.class_id = class.id and student.role = 'student'
            inner join {enrollment} as teacher on teacher.class_id = class.id and teacher.role = 'teacher'
            where class.class_type = 'homeroom'
            order by student.user_id, teacher.user_id
            """
        ).format(
            **{"class": sql.Identifier(schema, "one_roster_class")},
            enrollment=sql.Identifier(schema, "one_roster_enrollment"),
        )
    ).fetchall()
    principals = _add_principals(conn, schema, rows)
    teachers: dict[UUID, list[UUID]] = defaultdict(list)
    for _, teacher_id, school_id in homerooms:
        if teacher_id not in teachers[school_id]:
            teachers[school_id].append(teacher_id)
    for student_id, teacher_id, school_id in homerooms:
        assigned_at = at(YEAR_BEGIN) + timedelta(minutes=between(480, 960, "assigned", student_id))
        begin = None if share("guide begin", student_id) < 0.05 else YEAR_BEGIN
        if share("guide change", student_id) < 0.08 and len(teachers[school_id]) > 1:
            # another teacher until the winter break: the ended period stays
            others = [other for other in teachers[school_id] if other != teacher_id]
            winter = date(2025, 12, 19)
            _add_guide(
                rows,
                student_id,
                pick(others, "guide", student_id),
                "teacher",
                begin,
                winter,
                assigned_at,
                at(winter, 15),
            )
            begin, assigned_at = date(2026, 1, 7), at(date(2026, 1, 7), 8)
        _add_guide(rows, student_id, teacher_id, "teacher", begin, None, assigned_at, assigned_at)
        if school_id in principals and share("principal", student_id) < 0.1:
            _add_guide(
                rows, student_id, principals[school_id], "principal", begin, None, assigned_at, assigned_at
            )


def _add_principals(conn: psycopg.Connection, schema: str, rows: OperationalRows) -> dict[UUID, UUID]:
    """Make an administrator of each school its principal; returns {school: principal}."""
    administrators = conn.execute(
        sql.SQL(
            "select org_id, user_id from {} where role = 'administrator' order by org_id, user_id"
        ).format(sql.Identifier(schema, "one_roster_role"))
    ).fetchall()
    # of several, the one with the lowest id
    principals: dict[UUID, UUID] = dict(reversed(administrators))
    for school_id, principal_id in principals.items():
        rows.add(
            "one_roster_role",
            id=uid("principal", school_id),
            user_id=principal_id,
            org_id=school_id,
            role="principal",
            role_type="secondary",
            status="active",
            date_created=RECORDED,
            date_last_modified=RECORDED,
        )
    return principals


def _add_guide(
    rows: OperationalRows,
    student_id: UUID,
    guide_id: UUID,
    relationship_type: str,
    begin_date: date | None,
    end_date: date | None,
    assigned_at: datetime,
    modified_at: datetime,
) -> None:
    rows.add(
        "one_roster_user_agent",
        id=uid("guide", student_id, guide_id, relationship_type, begin_date),
        source_user_id=student_id,
        agent_user_id=guide_id,
        relationship_type=relationship_type,
        status="inactive" if end_date else "active",
        begin_date=begin_date,
        end_date=end_date,
        date_created=assigned_at,
        date_last_modified=modified_at,
    )


def add_results(rows: OperationalRows, students: Sequence[Student], log_users: dict[str, Student]) -> None:
    """MAP results with their reports, by hand, and the grades of the Moodle course, which carry none."""
    ranks = {level["code"]: int(level["rank"]) for level in education_levels()}
    for student in students:
        # MAP begins in second grade here, and not everybody has sat it
        rank = ranks.get(student.grade or "", 0)
        if rank < ranks["02"] or share("sat", student.id) < 0.07:
            continue
        for number, window in enumerate(_MAP_WINDOWS):
            for test in _MAP_TESTS:
                if share("missed", student.id, test, number) < 0.1:
                    continue
                score = normal(165 + 5 * rank + 4 * number, 12, "rit", student.id, test, number)
                day = window + timedelta(days=between(0, 11, "day", student.id, test, number))
                _add_result(
                    rows,
                    f"map/{test}/{number}",
                    student,
                    round(score),
                    at(day, between(8, 14, "hour", student.id, test, number)),
                    f"https://map.example.org/reports/{uid('report', student.id, test, number)}",
                )
    for line in read_csv(demo_dir() / "la_course" / "results.csv"):
        for column, value in line.items():
            if column != "user":
                _add_result(
                    rows,
                    column,
                    log_users[line["user"]],
                    round(float(value), 2),
                    at(date(2025, 11, 3), 12),
                    None,
                )


def _add_result(
    rows: OperationalRows,
    item: str,
    student: Student,
    score: float,
    scored_at: datetime,
    report_url: str | None,
) -> None:
    rows.add(
        "one_roster_assessment_result",
        id=uid("result", item, student.id),
        student_id=student.id,
        assessment_line_item_id=uid("line item", item),
        status="active",
        score_status="fully graded",
        score=score,
        score_date=scored_at,
        report_url=report_url,
        date_created=scored_at,
        date_last_modified=scored_at,
    )


def add_placements(
    conn: psycopg.Connection, schema: str, rows: OperationalRows, students: Sequence[Student]
) -> None:
    """Where placement tests put students, by hand: near their own grade, once they have completed one."""
    subjects: dict[str, UUID] = dict(
        conn.execute(
            sql.SQL(
                "select title, min(identifier::text)::uuid from {} where title = any(%s) group by title"
            ).format(sql.Identifier(schema, "cf_subject")),
            [list(_PLACED_SUBJECTS)],
        ).fetchall()
    )
    levels = {int(level["rank"]): level for level in education_levels()}
    ranks = {level["code"]: rank for rank, level in levels.items()}
    for student in students:
        for subject, subject_id in sorted(subjects.items()):
            key = (student.id, subject)
            if student.grade is None or share("placed", *key) < 0.3:
                continue
            drawn = share("placement", *key)
            status = (
                "Completed"
                if drawn < 0.7
                else "InProgress"
                if drawn < 0.85
                else "NotStarted"
                if drawn < 0.95
                else None
            )
            placed_at = ranks[student.grade] + between(-2, 2, "grade", *key)
            # kindergarten to twelfth grade
            placed_at = min(max(placed_at, ranks["KG"]), ranks["12"])
            rows.add(
                "placement_student_subject_placement",
                id=uid("placement", *key),
                student_id=student.id,
                subject_id=subject_id,
                grade_id=levels[placed_at]["uuid"] if status == "Completed" else None,
                status=status,
                date_last_modified=at(YEAR_BEGIN, 9) + timedelta(hours=between(0, 2000, "modified", *key)),
            )
