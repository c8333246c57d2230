"""Students, guides, and what ties students to people, schools and dates."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from .rules import Project, Row, Tables, by_key, date_of, distinct, earliest, grouped, person_name

GUIDE_ROLES = {"teacher", "principal"}

Scoped = Iterator[tuple[UUID | None, Row]]


def holders(tables: Tables, roles: set[str]) -> list[Row]:
    """The users who hold one of the roles: who have a role row, whatever its status or dates."""
    holding = {role["user_id"] for role in tables["one_roster_role"] if role["role"] in roles}
    return [user for user in tables["one_roster_user"] if user["id"] in holding]


def students(tables: Tables, project: Project) -> Scoped:
    """Users with a student role. One without an email is a row all the same."""
    for user in holders(tables, {"student"}):
        yield user["id"], {"id": user["id"], "name": person_name(user), "email": user["email"]}


def guides(tables: Tables, project: Project) -> Scoped:
    """Users with a teacher or a principal role."""
    for user in holders(tables, GUIDE_ROLES):
        yield user["id"], {"id": user["id"], "name": person_name(user), "email": user["email"]}


def student_guides(tables: Tables, project: Project) -> Scoped:
    """Every period of every educator relationship; family, peers and the like are left out.

    An adult or a student without a user row keeps the row, the name being never null: ''.
    """
    users = by_key(tables["one_roster_user"], "id")
    for agent in tables["one_roster_user_agent"]:
        if agent["relationship_type"] not in GUIDE_ROLES:
            continue
        yield (
            agent["source_user_id"],
            {
                "student_id": agent["source_user_id"],
                "student_name": person_name(users.get(agent["source_user_id"])),
                "guide_id": agent["agent_user_id"],
                "guide_name": person_name(users.get(agent["agent_user_id"])),
                "relationship_type": agent["relationship_type"],
                "status": agent["status"],
                "begin_date": agent["begin_date"],
                "end_date": agent["end_date"],
                "assigned_date": agent["date_created"],
                "last_modified_date": agent["date_last_modified"],
            },
        )


def school_roles(tables: Tables) -> list[tuple[Row, Row]]:
    """(role, school) for each student role at an organization of type school."""
    organizations = by_key(tables["one_roster_organization"], "id")
    pairs = []
    for role in tables["one_roster_role"]:
        organization = organizations.get(role["org_id"])
        if role["role"] == "student" and organization is not None and organization["type"] == "school":
            pairs.append((role, organization))
    return pairs


def student_enrollments(tables: Tables) -> list[Row]:
    """The enrollments with the student role, whatever their status and dates."""
    return [row for row in tables["one_roster_enrollment"] if row["role"] == "student"]


def school_attachments(tables: Tables) -> list[Row]:
    """How students belong to schools: by role, or by enrollment in a class there; identical ones once."""
    attachments = [
        {
            "student_id": role["user_id"],
            "school_id": school["id"],
            "school_name": school["name"],
            "link_kind": {"primary": "primary_role", "secondary": "secondary_role"}[role["role_type"]],
            "begin_date": role["begin_date"],
            "end_date": role["end_date"],
        }
        for role, school in school_roles(tables)
    ]
    classes = by_key(tables["one_roster_class"], "id")
    organizations = by_key(tables["one_roster_organization"], "id")
    for enrollment in student_enrollments(tables):
        school_id = classes.get(enrollment["class_id"], {}).get("school_id")
        school = organizations.get(school_id)
        if school is not None and school["type"] == "school":
            attachments.append(
                {
                    "student_id": enrollment["user_id"],
                    "school_id": school["id"],
                    "school_name": school["name"],
                    "link_kind": "enrollment",
                    "begin_date": enrollment["begin_date"],
                    "end_date": enrollment["end_date"],
                }
            )
    return distinct(attachments)


def student_schools(tables: Tables, project: Project) -> Scoped:
    """One row a distinct attachment."""
    for attachment in school_attachments(tables):
        yield attachment["student_id"], attachment


def admission_date(roles: list[Row]):
    """Earliest admission of the primary roles at schools; where those give none, of any student role at one.

    The begin date stands in for a role that has no admission date.
    """

    def earliest_of(chosen):
        return earliest(
            role["begin_date"] if role["admission_date"] is None else role["admission_date"]
            for role in chosen
        )

    primary = earliest_of(role for role in roles if role["role_type"] == "primary")
    return primary if primary is not None else earliest_of(roles)


def student_start_dates(tables: Tables, project: Project) -> Scoped:
    """Admission, first class, first MAP result: each independent, each null where its record is missing."""
    roles = grouped((role for role, _ in school_roles(tables)), "user_id")
    enrollments = grouped(student_enrollments(tables), "user_id")
    results = grouped(tables["one_roster_assessment_result"], "student_id")
    for student in holders(tables, {"student"}):
        map_results = [
            result
            for result in results.get(student["id"], [])
            # a MAP result is an active one that carries a report; only the empty text is none
            if result["status"] == "active" and result["report_url"] not in (None, "")
        ]
        yield (
            student["id"],
            {
                "student_id": student["id"],
                "admission_date": admission_date(roles.get(student["id"], [])),
                "earliest_enrollment_date": earliest(
                    enrollment["begin_date"] for enrollment in enrollments.get(student["id"], [])
                ),
                "earliest_map_date": date_of(earliest(row["score_date"] for row in map_results), project),
            },
        )


def students_enrollments(tables: Tables, project: Project) -> Scoped:
    """Student roles at organizations of every type; two organizations of one name are one row.

    A role at an organization without a row keeps its own, the name being never null: ''.
    """
    organizations = by_key(tables["one_roster_organization"], "id")
    for row in distinct(
        {
            "student_id": role["user_id"],
            "organization_name": organizations.get(role["org_id"], {"name": ""})["name"],
        }
        for role in tables["one_roster_role"]
        if role["role"] == "student"
    ):
        yield row["student_id"], row
