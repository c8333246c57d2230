"""The rows that each documented dataset shows to a caller."""

from __future__ import annotations

from datetime import date, tzinfo
from functools import cache
from pathlib import Path

import yaml

from . import activity, curriculum, insights, mastery, people, roster
from .roar import roar_facts
from .rules import Dataset, Project, Row, ScopedDataset, Tables
from .scope import Scope, current_organizations, visible_rows

FACTS_FILE = Path(__file__).parents[1] / "facts" / "datasets.yml"

SCOPED: dict[str, ScopedDataset] = {
    function.__name__: function
    for function in (
        activity.aggregated_session_attempts,
        activity.attempts,
        activity.sessions,
        activity.students_xp,
        insights.cheating_insights,
        insights.proctoring_insights,
        insights.recommendations,
        insights.sessions_cheating,
        insights.sessions_proctoring,
        insights.sessions_waste,
        insights.student_journals,
        insights.waste_insights,
        mastery.placement_results,
        mastery.students_mastery,
        people.guides,
        people.student_guides,
        people.student_schools,
        people.student_start_dates,
        people.students,
        people.students_enrollments,
    )
}
"""The datasets with org_ids."""

UNSCOPED: dict[str, Dataset] = {
    function.__name__: function
    for function in (
        curriculum.case_courses,
        curriculum.case_subjects,
        curriculum.courses,
        curriculum.curriculum_items,
        curriculum.grades,
        curriculum.learning_app_subjects,
        curriculum.learning_apps,
        curriculum.lessons,
        curriculum.question_tests,
        curriculum.questions,
        curriculum.resource_relations,
        curriculum.subjects,
        curriculum.test_parents,
        curriculum.tests,
        curriculum.unit_courses,
        curriculum.units,
        roster.class_enrollments,
        roster.classes,
        roster.course_enrollments,
        roster.school_usage_stats,
        roster.schools,
    )
}
"""The datasets that show everybody the same rows."""


@cache
def facts() -> dict[str, dict]:
    """The documented facts: dataset -> domain, grain, columns and the rest (see the file's head)."""
    return yaml.safe_load(FACTS_FILE.read_text(encoding="utf-8"))


def every_fact() -> dict[str, dict]:
    """The same with ROAR's datasets, which have an expectation of their own (roar.py)."""
    return {**facts(), **roar_facts()}


def columns(dataset: str) -> list[str]:
    """The dataset's columns in the documented order."""
    return list(facts()[dataset]["columns"])


def expected(dataset: str, tables: Tables, scope: Scope, today: date, timezone: tzinfo) -> list[tuple]:
    """The rows, as tuples in the documented column order; arrays are frozensets.

    Raises ScopeError where the scope is an error; whether the database says so for a dataset without
    source rows is left to it, so ask for the rows of an unrestricted caller first.
    """
    project = Project(today, timezone)
    rows: list[Row]
    if dataset in SCOPED:
        allowed = scope.resolve()
        rows = visible_rows(SCOPED[dataset](tables, project), allowed, current_organizations(tables, project))
    else:
        rows = list(UNSCOPED[dataset](tables, project))
    names = columns(dataset)
    for row in rows:
        if row.keys() != set(names):
            raise AssertionError(
                f"{dataset}: the expectation has {sorted(row)}, the documentation {sorted(names)}"
            )
    return [tuple(row[name] for name in names) for row in rows]
