"""Placements and mastery credentials."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from .rules import Project, Row, Tables, by_key, grouped, null_last, round_half_away

Scoped = Iterator[tuple[UUID | None, Row]]

MASTERY_TYPES = {"StandardMastery", "CurriculumMastery"}


def placement_results(tables: Tables, project: Project) -> Scoped:
    """Every placement. No status means not started; a grade counts only once the placement is completed."""
    for row in tables["placement_student_subject_placement"]:
        status = "NotStarted" if row["status"] is None else row["status"]
        yield (
            row["student_id"],
            {
                "student_id": row["student_id"],
                "subject_id": row["subject_id"],
                "grade_id": row["grade_id"] if status == "Completed" else None,
                "placement_status": status,
                "last_updated": row["date_last_modified"],
            },
        )


def application_of_document(tables: Tables) -> dict[UUID, UUID]:
    """CASE document -> the application that teaches it; of several the lowest name, then the lowest id."""
    names = {row["id"]: row["name"] for row in tables["lti_application"]}
    return {
        document_id: min(
            (row["lti_application_id"] for row in rows),
            key=lambda app_id: (null_last(names.get(app_id)), app_id),
        )
        for document_id, rows in grouped(tables["lti_application_curriculum_scope"], "cf_document_id").items()
    }


def percentage(fraction: Decimal | None) -> Decimal | None:
    """A fraction of 0 to 1 as a percentage with two decimals."""
    return None if fraction is None else round_half_away(Fraction(fraction) * 100, 2)


def students_mastery(tables: Tables, project: Project) -> Scoped:
    """One row a credential whose achievement is a standard or curriculum mastery."""
    achievements = by_key(tables["clr_achievement"], "id")
    items = by_key(tables["cf_item"], "identifier")
    application = application_of_document(tables)
    for credential in tables["clr_achievement_credential"]:
        achievement = achievements.get(credential["achievement_id"])
        if achievement is None or achievement["achievement_type"] not in MASTERY_TYPES:
            continue
        document_id = items.get(achievement["cf_item_id"], {}).get("cf_document_id")
        yield (
            credential["credential_subject_id"],
            {
                "student_id": credential["credential_subject_id"],
                "mastery_percentage": percentage(credential["result_value"]),
                "curriculum_item_id": achievement["cf_item_id"],
                "mastery_timestamp": credential["awarded_date"],
                "learning_app_id": application.get(document_id),
            },
        )
