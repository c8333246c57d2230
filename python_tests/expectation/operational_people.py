"""Operational rows of people, organizations, classes and activities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from expectation.operational_pools import (
    DURATIONS,
    MALFORMED_DURATIONS,
    MARKS,
    POINTS,
    ROLES,
    STATUSES,
    Pools,
)

from .rules import Row


class PeopleTables(Pools):
    """The tables of people and of what they do.

    Each method makes the tables of one kind, with an inner function for the rows of each table. The methods
    are long because these functions share what the method has drawn.
    """

    def people_tables(self) -> dict[str, list[Row]]:
        """Schools, people and classes. Long because it is data: a value for each column."""
        emails = [None, None, "ada@school.example", "Bob+1@school.example", "c'est@école.example", "d@x"]
        self.chance.shuffle(emails)

        def user(key: UUID) -> Row:
            return {
                "id": key,
                "given_name": self.text(),
                "family_name": self.text(),
                "email": emails.pop(),
                "username": self.maybe(0.5, self.text()),
                "status": self.pick(STATUSES),
                **self.times(),
            }

        def organization(key: UUID) -> Row:
            return {
                "id": key,
                "name": self.pick(("North", "North", "South", self.text())),
                "type": self.pick(("school",) * 6 + ("district", "department", "School")),
                "identifier": self.maybe(0.5, self.text()),
                "parent_id": self.maybe(0.6, self.pick(self.organizations_and_unknown)),
                "status": self.pick(STATUSES),
                **self.times(),
            }

        def role() -> Row:
            return {
                "id": self.uuids(1)[0],
                "user_id": self.pick(self.people_and_unknown),
                "org_id": self.pick(self.organizations_and_unknown),
                "role": self.pick(ROLES),
                "role_type": self.pick(("primary", "primary", "secondary")),
                "begin_date": self.date(),
                "end_date": self.end_date(),
                "admission_date": self.maybe(0.5, self.date()),
                "status": self.pick(STATUSES),
                **self.times(),
            }

        def agent() -> Row:
            return {
                "id": self.uuids(1)[0],
                "source_user_id": self.pick(self.people_and_unknown),
                "agent_user_id": self.pick(self.people_and_unknown),
                "relationship_type": self.pick(
                    ("teacher", "teacher", "principal", "parent", "peer", "Teacher")
                ),
                "status": self.pick(STATUSES),
                "begin_date": self.date(),
                "end_date": self.end_date(),
                **self.times(),
            }

        def result() -> Row:
            return {
                "id": self.uuids(1)[0],
                "student_id": self.pick(self.people_and_unknown),
                "assessment_line_item_id": None,
                "status": self.pick(STATUSES),
                "score_status": self.maybe(0.5, "fully graded"),
                "score": self.maybe(0.5, Decimal("212.5")),
                "score_date": self.maybe(0.8, self.moment()),
                "report_url": self.pick(
                    (None, "", " ", "https://map.example/r/1", "https://map.example/r/2")
                ),
                **self.times(),
            }

        open_periods = set()
        agents = []
        for row in self.rows(8, agent, least=3):
            # the database allows one open period of a relationship
            key = (row["source_user_id"], row["agent_user_id"], row["relationship_type"])
            if row["end_date"] is not None or key not in open_periods:
                agents.append(row)
                open_periods |= {key} if row["end_date"] is None else set()
        return {
            "one_roster_user": self.some(self.people, user),
            "one_roster_organization": self.some(self.organizations, organization),
            "one_roster_role": self.rows(16, role, least=8),
            "one_roster_user_agent": agents,
            "one_roster_assessment_result": self.rows(6, result),
        }

    def roster_tables(self) -> dict[str, list[Row]]:
        def course(key: UUID) -> Row:
            return {
                "id": key,
                "title": self.maybe(0.8, self.text()),
                "course_code": self.maybe(0.5, self.text()),
                "org_id": self.maybe(0.5, self.pick(self.organizations)),
                "status": self.pick(STATUSES),
                **self.times(),
            }

        def school_class(key: UUID) -> Row:
            return {
                "id": key,
                "title": self.maybe(0.8, self.text()),
                "class_code": self.maybe(0.5, self.text()),
                "class_type": self.pick((None, "homeroom", "scheduled")),
                "course_id": self.maybe(0.8, self.pick(self.roster_courses)),
                "school_id": self.maybe(0.85, self.pick(self.organizations_and_unknown)),
                "status": self.pick(STATUSES),
                **self.times(),
            }

        def enrollment() -> Row:
            return {
                "id": self.uuids(1)[0],
                "user_id": self.pick(self.people_and_unknown),
                "class_id": self.pick(self.classes),
                "role": self.pick(("student",) * 6 + ("teacher", "Student")),
                "primary": self.pick((True, False, None)),
                "begin_date": self.date(-30, -1, 0),
                "end_date": self.end_date(),
                "status": self.pick(STATUSES),
                **self.times(),
            }

        return {
            "one_roster_course": self.some(self.roster_courses, course),
            "one_roster_class": self.some(self.classes, school_class),
            "one_roster_class_subject": self.rows(
                8,
                lambda: {
                    "class_id": self.pick(self.classes),
                    "subject_id": self.pick([None, *self.subjects]),
                },
            ),
            "one_roster_class_grade": self.rows(
                6,
                lambda: {
                    "class_id": self.pick(self.classes),
                    "placement_grade_id": self.pick([None, *self.grades]),
                },
            ),
            "one_roster_enrollment": self.rows(12, enrollment, least=5),
        }

    def activity_tables(self) -> dict[str, list[Row]]:
        """Sessions, attempts, events and XP. Long because it is data: a value for each column."""
        unknown_iri = self.iris(1)

        def session(key: str) -> Row:
            start, end = self.period()
            return {
                "id": key,
                "user_id": self.maybe(0.9, self.pick(self.people_and_unknown)),
                "client_id": self.maybe(0.8, self.pick(self.applications)),
                "started_at_time": start,
                "ended_at_time": self.maybe(0.8, end),
                **self.times(),
            }

        def attempt(key: str) -> Row:
            start, end = self.period()
            return {
                "id": key,
                "assignee_id": self.pick(self.people_and_unknown),
                "assignable_id": self.pick(self.contents),
                "count": self.pick((None, 1, 1, 2, 3)),
                "started_at_time": self.maybe(0.85, start),
                "ended_at_time": self.maybe(0.8, end),
                "duration": self.maybe(0.6, self.pick((*DURATIONS * 3, *MALFORMED_DURATIONS))),
                **self.times(),
            }

        def score() -> Row:
            return {
                "id": self.iris(1)[0],
                "attempt_id": self.pick([*self.attempts, *unknown_iri]),
                "score_given": self.pick(MARKS),
                "max_score": self.pick((None, *(Decimal(1),) * 5, Decimal(0), Decimal("1.00"), Decimal(2))),
                "date_created": self.moment(),
            }

        def event(key: str) -> Row:
            things = [None, *self.attempts * 2, *self.contents, *unknown_iri]
            return {
                "id": key,
                "type": self.pick(("AssessmentItemEvent", "GradeEvent", "SessionEvent")),
                "action": self.pick(("Completed", "Graded", "Started")),
                "actor_id": self.maybe(0.5, str(self.pick(self.people))),
                "object_id": self.pick(things),
                "generated_id": self.pick(things),
                "session_id": self.maybe(0.8, self.pick([*self.sessions * 2, *unknown_iri])),
                "event_time": self.moment(),
            }

        def entry() -> Row:
            return {
                "id": self.uuids(1)[0],
                "user_id": self.pick(self.people_and_unknown),
                "application_id": self.pick(self.applications[:2]),
                "source_event_id": self.pick([None, *self.events[:4], *unknown_iri]),
                "value": self.pick(POINTS),
                "date_generated": self.moment(),
                "date_created": self.maybe(0.8, self.moment()),
            }

        def crowded(
            make: Callable[[str], Row], keys: Sequence[str], column: str, few: Sequence[Any]
        ) -> list[Row]:
            """Rows of which about half share two values, so that several meet in one group."""
            rows = self.some(keys, make)
            for row in rows:
                if self.chance.random() < 0.5:
                    row[column] = self.pick(few)
            return rows

        attempts = crowded(attempt, self.attempts, "assignable_id", self.questions[:3])
        for row in attempts[1:]:
            if self.chance.random() < 0.3:
                # the same person on the same thing again, recorded as starting at the same moment
                again = ("assignee_id", "assignable_id", "started_at_time", *self.pick(((), ("count",))))
                row.update({column: attempts[0][column] for column in again})
        return {
            "caliper_session": self.some(self.sessions, session),
            "caliper_attempt": attempts,
            "caliper_score": self.rows(14, score, least=5),
            "caliper_event": crowded(event, [*self.events, *self.iris(6)], "generated_id", self.attempts[:6]),
            "tb_xp_ledger": self.rows(10, entry, least=3),
        }
