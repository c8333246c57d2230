"""Operational rows of what is learned, and of insights into how."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from expectation.operational_pools import FRACTIONS, INSIGHT_TYPES, MEDIA_TYPES, OFFSETS, Pools

from .rules import Row


class ContentTables(Pools):
    """The tables of curricula, frameworks and insights.

    Each method makes the tables of one kind, with an inner function for the rows of each table. The methods
    are long because these functions share what the method has drawn.
    """

    def curriculum_tables(self) -> dict[str, list[Row]]:
        def titles() -> Row:
            return {"name": self.maybe(0.6, self.text()), "description": self.maybe(0.6, self.text())}

        resources = self.some(
            self.resources, lambda key: {"id": key, **titles(), "media_type": self.pick(MEDIA_TYPES)}
        )

        def of_kind(kind: str) -> list[str]:
            return [
                row["id"] for row in resources if row["media_type"] == f"curriculum/{kind}"
            ] or self.resources

        def relation() -> Row:
            part, whole = self.pick(
                (
                    (of_kind("course"), of_kind("subject")),
                    (of_kind("course"), of_kind("subject")),
                    (of_kind("unit"), of_kind("course")),
                    (of_kind("lesson"), of_kind("unit")),
                    (self.questions, self.tests),
                    (self.tests, self.resources),
                    (self.contents, self.contents),
                )
            )
            return {
                "source_id": self.pick(part),
                "destination_id": self.pick(whole),
                "relationship_type": self.pick(("isPartOf",) * 8 + ("IsPartOf", "isRelatedTo", "")),
                "item_order": self.pick((None, -1, 0, 1, 1, 2)),
            }

        relations = self.rows(24, relation, least=12)
        relations += [dict(self.pick(relations)) for _ in range(self.pick((0, 1)))]
        return {
            "caliper_assignable_digital_resource": resources,
            "caliper_assessment": self.some(self.tests, lambda key: {"id": key, **titles()}),
            "caliper_assessment_item": self.some(
                self.questions,
                lambda key: {"id": key, **titles(), "media_type": self.pick((None, "quiz", "guiding", ""))},
            ),
            "caliper_resource_relation": relations,
        }

    def framework_tables(self) -> dict[str, list[Row]]:
        """Standards, placements and credentials. Long because it is data: a value for each column."""
        names = ["North App", "Ångström", "a app", "B app", "", "' or ''='"]
        self.chance.shuffle(names)
        order_numbers = [-1, 0, 1, 2, 13]
        self.chance.shuffle(order_numbers)

        def item(key: UUID) -> Row:
            return {
                "identifier": key,
                "cf_document_id": self.maybe(0.85, self.pick(self.documents)),
                "full_statement": self.text(),
                "human_coding_scheme": self.maybe(0.5, "CCSS.MATH.1.OA.1"),
                "cf_item_type": self.pick(("Course", "Course", "Course", "Standard", "course", "", None)),
            }

        def subject(key: UUID) -> Row:
            return {
                "identifier": key,
                "title": self.text(),
                "hierarchy_code": self.pick(("1", "1", "2", "10", "a", "B", "")),
                "description": self.maybe(0.5, self.text()),
            }

        def grade(key: UUID) -> Row:
            return {
                "id": key,
                "grade_primary_identifier": self.pick(("PK", "KG", "01", "12", "PS")),
                "label": self.text(),
                "order_number": order_numbers.pop(),
            }

        def placement(person: UUID, subject_id: UUID) -> Row:
            return {
                "id": self.uuids(1)[0],
                "student_id": person,
                "subject_id": subject_id,
                "grade_id": self.maybe(0.7, self.pick(self.grades)),
                "status": self.pick((None, "NotStarted", "InProgress", "Completed", "Completed")),
                "date_last_modified": self.maybe(0.8, self.moment()),
            }

        def credential() -> Row:
            return {
                "id": self.uuids(1)[0],
                "achievement_id": self.pick(self.achievements),
                "credential_subject_id": self.pick(self.people_and_unknown),
                "result_value": self.pick(FRACTIONS),
                "awarded_date": self.maybe(0.8, self.moment()),
                "date_last_modified": self.moment(),
            }

        placed = {
            (person, subject_id) for person in set(self.people_and_unknown) for subject_id in self.subjects
        }
        return {
            "cf_document": self.some(self.documents, lambda key: {"identifier": key, "title": self.text()}),
            "cf_item": self.some(self.items, item),
            "cf_item_subject": self.rows(
                12,
                lambda: {
                    "cf_item_id": self.pick(self.items),
                    "subject_id": self.pick([None, *self.subjects]),
                },
                least=4,
            ),
            "cf_subject": self.some(self.subjects, subject),
            "placement_grade": self.some(self.grades, grade),
            "placement_student_subject_placement": [
                placement(*pair) for pair in sorted(placed) if self.chance.random() < 0.4
            ],
            "lti_application": self.some(
                self.applications[self.pick((0, 0, 1, 2)) :],
                lambda key: {"id": key, "name": names.pop(), "application_type": self.maybe(0.5, "learning")},
            ),
            "lti_application_subject": self.rows(
                6,
                lambda: {
                    "lti_application_id": self.pick(self.applications),
                    "subject_title": self.pick(("Math", "Reading", "math", self.text())),
                },
            ),
            "lti_application_curriculum_scope": self.rows(
                7,
                lambda: {
                    "lti_application_id": self.pick(self.applications),
                    "cf_document_id": self.pick(self.documents),
                },
            ),
            "clr_achievement": self.some(
                self.achievements,
                lambda key: {
                    "id": key,
                    "cf_item_id": self.maybe(0.85, self.pick(self.items)),
                    "achievement_type": self.pick(
                        (
                            "StandardMastery",
                            "CurriculumMastery",
                            "StandardMastery",
                            "Badge",
                            "standardmastery",
                        )
                    ),
                },
            ),
            "clr_achievement_credential": self.rows(10, credential, least=3),
        }

    def insight_tables(self) -> dict[str, list[Row]]:
        """Insights and reviews. Long because it is data: a value for each column."""
        # The same two dates for all sessions of an example make insights of different sessions comparable.
        starts = {key: self.moment() for key in self.insights_sessions}
        kinds = [*INSIGHT_TYPES[:4], *self.chance.sample(INSIGHT_TYPES[4:], len(self.insight_types) - 4)]
        kind_of = dict(zip(self.insight_types, kinds, strict=True))
        caliper_ids = [
            *self.sessions[:3] * 3,
            *self.sessions,
            # known only after 'urn:uuid:' is taken away or added: no match
            self.sessions[0].removeprefix("urn:uuid:"),
            f"urn:uuid:{self.sessions[1]}",
        ]

        def insight_type(key: UUID) -> Row:
            slug, category = kind_of[key]
            return {
                "id": key,
                "slug": slug,
                "category": category,
                "visibility": self.pick(("external",) * 10 + ("internal", "External")),
                "is_waste": self.pick((True, True, False)),
            }

        def insights_session(key: UUID) -> Row:
            return {
                "id": key,
                "caliper_session_id": self.pick(caliper_ids),
                "user_id": self.pick(self.people_and_unknown),
                "application_id": self.pick(self.applications),
                "webcam_enabled": self.pick((True, False, None)),
                "is_proctored": self.pick((True,) * 5 + (False, None)),
                "date_last_modified": self.moment(),
            }

        def insight(key: UUID) -> Row:
            session = self.pick([*self.insights_sessions, *self.insights_sessions[:2] * 2])
            first, second = sorted((self.pick(OFFSETS), self.pick(OFFSETS)))
            if self.chance.random() < 0.12:
                first, second = second, first
            return {
                "id": key,
                "session_id": session,
                "insight_type_id": self.pick([*self.insight_types[:4] * 2, *self.insight_types]),
                "started_at_time": starts[session] + timedelta(seconds=first),
                "ended_at_time": starts[session] + timedelta(seconds=second),
                "reason": self.text(),
                "is_visible": self.chance.random() < 0.9,
                "date_last_modified": self.moment(),
            }

        def recommendation() -> Row:
            return {
                "id": self.uuids(1)[0],
                "user_id": self.pick(self.people_and_unknown),
                "type": self.pick(("daily-coaching", self.text())),
                "source": self.pick(("vault-agent", "manual", self.text())),
                "source_reference_id": self.maybe(0.5, self.text()),
                "title": self.maybe(0.5, self.text()),
                "visibility": self.pick(("student", "student", "internal", "Student")),
                "content": self.text(),
                "generated_at": self.moment(),
                "delivered_at": self.maybe(0.5, self.moment()),
                "feedback_sentiment": self.pick((None, "POSITIVE", "NEGATIVE")),
                "feedback_text": self.maybe(0.5, self.text()),
                "feedback_at": self.maybe(0.5, self.moment()),
            }

        types = [insight_type(key) for key in self.insight_types]
        self.chance.shuffle(types)
        return {
            "insights_type": types[self.pick((0, 0, 1)) :],
            "insights_config": [
                {"insight_type_id": key, "requires_review": self.chance.random() < 0.6}
                for key in self.insight_types
                if self.chance.random() < 0.6
            ],
            "insights_session": [
                insights_session(key) for key in self.insights_sessions if self.chance.random() < 0.95
            ],
            "insights_insight": self.some(self.insights, insight),
            "insights_review": self.rows(
                30,
                lambda: {
                    "id": self.uuids(1)[0],
                    "insight_id": self.pick(self.insights),
                    "result": self.pick(("TruePositive",) * 4 + ("FalsePositive", "Unsure", "truepositive")),
                    "reviewed_at": self.moment(),
                },
                least=15,
            ),
            "insights_recommendation": self.rows(8, recommendation, least=2),
        }
