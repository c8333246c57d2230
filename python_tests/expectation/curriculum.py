"""Subjects, courses, units, lessons, tests, questions, standards and grades; and the applications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .rules import Project, Row, Tables, by_key, distinct, grouped, null_last, resource_title


def digital_resources(tables: Tables, media_type: str) -> list[Row]:
    """The curriculum resources of one kind."""
    return [row for row in tables["caliper_assignable_digital_resource"] if row["media_type"] == media_type]


def titled(resources: Any) -> Iterator[Row]:
    """id and title of each resource."""
    for row in resources:
        yield {"id": row["id"], "title": resource_title(row["name"], row["description"])}


def subjects(tables: Tables, project: Project) -> Iterator[Row]:
    """Resources of media type curriculum/subject."""
    return titled(digital_resources(tables, "curriculum/subject"))


def units(tables: Tables, project: Project) -> Iterator[Row]:
    """Resources of media type curriculum/unit."""
    return titled(digital_resources(tables, "curriculum/unit"))


def lessons(tables: Tables, project: Project) -> Iterator[Row]:
    """Resources of media type curriculum/lesson."""
    return titled(digital_resources(tables, "curriculum/lesson"))


def tests(tables: Tables, project: Project) -> Iterator[Row]:
    """Every Caliper assessment."""
    return titled(tables["caliper_assessment"])


def questions(tables: Tables, project: Project) -> Iterator[Row]:
    """Every Caliper assessment item; its type is the media type as recorded."""
    for row in tables["caliper_assessment_item"]:
        title = resource_title(row["name"], row["description"])
        yield {"id": row["id"], "title": title, "type": row["media_type"]}


def contained(tables: Tables, parts: Any, wholes: Any) -> list[tuple[Row, Row, Row]]:
    """(part, whole, relation) for each direct isPartOf relation of which both ends are among those given."""
    part_of, whole_of = by_key(parts, "id"), by_key(wholes, "id")
    return [
        (part_of[relation["source_id"]], whole_of[relation["destination_id"]], relation)
        for relation in tables["caliper_resource_relation"]
        if relation["relationship_type"] == "isPartOf"
        and relation["source_id"] in part_of
        and relation["destination_id"] in whole_of
    ]


def courses(tables: Tables, project: Project) -> Iterator[Row]:
    """Curriculum courses with their subject; and roster courses without a curriculum course of the same id.

    Of several subjects the one with the lowest item order stands (none last), then the lowest id.
    """
    resources = digital_resources(tables, "curriculum/course")
    in_subjects: dict[str, list[tuple[Any, str]]] = {}
    for course, subject, relation in contained(
        tables, resources, digital_resources(tables, "curriculum/subject")
    ):
        in_subjects.setdefault(course["id"], []).append((null_last(relation["item_order"]), subject["id"]))
    for row in titled(resources):
        ranked = sorted(in_subjects.get(row["id"], []))
        yield {**row, "subject_id": ranked[0][1] if ranked else None}
    known = {row["id"] for row in resources}
    for course in tables["one_roster_course"]:
        if str(course["id"]) not in known:
            yield {
                "id": str(course["id"]),
                "subject_id": None,
                "title": resource_title(course["title"], None),
            }


def unit_courses(tables: Tables, project: Project) -> Iterator[Row]:
    """Which units are part of which courses; both ends exist as such."""
    pairs = contained(
        tables, digital_resources(tables, "curriculum/unit"), digital_resources(tables, "curriculum/course")
    )
    yield from distinct({"unit_id": unit["id"], "course_id": course["id"]} for unit, course, _ in pairs)


def question_tests(tables: Tables, project: Project) -> Iterator[Row]:
    """Which questions are part of which tests; both ends exist as such."""
    pairs = contained(tables, tables["caliper_assessment_item"], tables["caliper_assessment"])
    yield from distinct({"question_id": question["id"], "test_id": test["id"]} for question, test, _ in pairs)


def test_parents(tables: Tables, project: Project) -> Iterator[Row]:
    """Which tests are part of which curriculum resources, of whatever type or of none."""
    pairs = contained(tables, tables["caliper_assessment"], tables["caliper_assignable_digital_resource"])
    yield from distinct(
        {"test_id": test["id"], "parent_id": parent["id"], "parent_type": parent["media_type"]}
        for test, parent, _ in pairs
    )


def resource_relations(tables: Tables, project: Project) -> Iterator[Row]:
    """Every relation, of every type, as recorded; two identical ones stay two."""
    for row in tables["caliper_resource_relation"]:
        yield {
            "source_resource_id": row["source_id"],
            "destination_resource_id": row["destination_id"],
            "relationship_type": row["relationship_type"],
            "item_order": row["item_order"],
        }


def case_subjects(tables: Tables, project: Project) -> Iterator[Row]:
    """Every CASE subject."""
    for row in tables["cf_subject"]:
        yield {
            "id": row["identifier"],
            "title": row["title"],
            "hierarchy_code": row["hierarchy_code"],
            "description": row["description"],
        }


def case_courses(tables: Tables, project: Project) -> Iterator[Row]:
    """CASE items classified as a course, with the subject of the lowest hierarchy code, then the lowest id.

    A subject id that leads to no subject has no code and so comes after those that have one, but it is an id.
    """
    codes = {row["identifier"]: row["hierarchy_code"] for row in tables["cf_subject"]}
    of_item = grouped(tables["cf_item_subject"], "cf_item_id")
    for item in tables["cf_item"]:
        if item["cf_item_type"] == "Course":
            subject_ids = [row["subject_id"] for row in of_item.get(item["identifier"], [])]
            ranked = sorted(
                (subject_id for subject_id in subject_ids if subject_id is not None),
                key=lambda subject_id: (null_last(codes.get(subject_id)), subject_id),
            )
            yield {
                "id": item["identifier"],
                "title": item["full_statement"],
                "case_subject_id": ranked[0] if ranked else None,
            }


def curriculum_items(tables: Tables, project: Project) -> Iterator[Row]:
    """Every CASE item."""
    for row in tables["cf_item"]:
        yield {
            "curriculum_item_id": row["identifier"],
            "curriculum_item_title": row["full_statement"],
            "curriculum_item_code": row["human_coding_scheme"],
            "curriculum_item_type": row["cf_item_type"],
        }


def grades(tables: Tables, project: Project) -> Iterator[Row]:
    """Every grade level."""
    for row in tables["placement_grade"]:
        yield {
            "id": row["id"],
            "grade_identifier": row["grade_primary_identifier"],
            "label": row["label"],
            "order_number": row["order_number"],
        }


def learning_apps(tables: Tables, project: Project) -> Iterator[Row]:
    """Every LTI application, a learning app or not."""
    for row in tables["lti_application"]:
        yield {"id": row["id"], "name": row["name"]}


def learning_app_subjects(tables: Tables, project: Project) -> Iterator[Row]:
    """The subjects of each application, each once."""
    yield from distinct(
        {"learning_app_id": row["lti_application_id"], "subject_title": row["subject_title"]}
        for row in tables["lti_application_subject"]
    )
