"""Operational rows that try to break the datasets: everything the database's own constraints let through.

A seed makes an example. The pools of ids are small, so that rows collide, tie and point to nothing; dates lie
around today and moments around midnight; texts are blank in every way, or look like SQL. What a valid path
needs (a current membership, an isPartOf between a unit and a course, a confirmed insight) is weighted, so
that most datasets have rows in most examples.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from .rules import Row

TEXTS = (
    *("Ada", "Lovelace", "ada", "Grade 4, Section A", "Math", "Straße", "数学", "🦉🦉", "\u202eabc"),
    *("\u00c5ngstr\u00f6m", "A\u030angstro\u0308m"),  # the same to a reader, composed and decomposed
    *("O'Brien", '"quoted"', "back\\slash", "a,b", "{a,b}", "NULL", "null", "N/A", "%s %(id)s", "{{ this }}"),
    *("'; drop table one_roster_user; --", "1 or 1=1", "1", "first\nsecond", " padded ", "tab\tbed"),
    *("\u00a0", "\u200b"),  # a no-break space is no white space here, and neither is one without width
)
BLANKS = ("", " ", "\t", "\n", "\r", "\f", "\v", " \t\r\n\f\v ")
DURATIONS = (
    *"PT7M40S PT1.5S PT0.5S PT2.5S PT0.4999999999S PT0S PT90M PT36H P2W P1D P1W2DT3H4M5S P0.5D".split(),  # noqa: SIM905
    *"PT0.1H P1DT1S PT999999999S PT000000007S PT1.5M30S P0.5W1.25DT0.5H0.5M0.5S".split(),  # noqa: SIM905
)
"""Client durations that count."""
MALFORMED_DURATIONS = (
    *"40 00:07:40 P1Y P1M P1Y2M3DT4H P1MT5S pt5s Pt5S PT5s PT,5S PT1,5S P PT P1DT P2WT".split(),  # noqa: SIM905
    *"PT1234567890S PT0000000005S -PT5S +PT5S PT-5S PT+5S PT5 5S T5S PT5S5M PT5M5M P5S PT1D P1D2W".split(),  # noqa: SIM905
    *"PT1W PT1.S PT.5S PT1e3S PTNaNS PTInfinityS P0001-00-00T00:00:05 PT5S; PPT5S PTT5S PT5SPT5S".split(),  # noqa: SIM905
    *"PT1.5.5S PT0x5S PT1_000S PT99999999999999999999S".split(),  # noqa: SIM905
    *("", " ", "PT5S ", " PT5S", "PT5S\n", "PT5S\t", "PT 5S", "7 minutes"),
    *("PT\u0665S", "PT\uff15S"),  # digits, but not of ASCII
)
"""Client durations that count as absent."""

STATUSES = ("active",) * 8 + ("inactive", "tobedeleted")
ROLES = (
    *("student",) * 8,
    *("teacher",) * 3,
    *("principal",) * 2,
    "parent",
    "aide",
    "administrator",
    "Student",
)
DAYS = (-400, -30, -2, -1, 0, 1, 2, 30, 400)
CLOCK = tuple(
    time.fromisoformat(text)
    for text in (
        *("00:00", "00:00:00.000001", "00:00:00.500", "09:00", "09:00:00.400", "09:00:30", "09:00:30.500"),
        *("11:30", "13:00", "23:59:59.500", "23:59:59.999999"),
    )
)
OFFSETS = (0, 0.2, 0.4, 0.5, 1, 1.5, 2.5, 5, 10, 10.5, 20, 30, 30.5, 60)
"""Seconds after the start of a session at which insights start and end: few, so that they touch and nest."""

INSIGHT_TYPES = (
    ("Journal", "Journal"),
    ("CheatingUnauthorizedAppUse", "Cheating"),
    ("UnauthorizedAppUse", "Proctoring"),
    ("EyesOffScreen", "Engagement"),
    ("CheatingHelpFromAnotherPerson", "Cheating"),
    ("ProctoringUnauthorizedDeviceUse", "Proctoring"),
    ("TopicShopping", "Engagement"),
    ("journal", "Journal"),
    ("OtherJournal", "Journal"),
    ("cheatinglowercase", "cheating"),
    ("Unclassified", "Other"),
)
MEDIA_TYPES = (
    *("curriculum/course",) * 6,
    *("curriculum/subject",) * 5,
    *("curriculum/unit",) * 5,
    *("curriculum/lesson",) * 3,
    *("curriculum/topic", "curriculum/Course", "curriculum/course ", "", None),
)
MARKS = (None, Decimal(0), Decimal(1), Decimal("1.0"), Decimal("0.9999999999"), Decimal(2), Decimal(-1))
FRACTIONS = (
    *(
        None,
        Decimal(0),
        Decimal(1),
        Decimal("0.875"),
        Decimal("0.87505"),
        Decimal("0.333333"),
        Decimal("1.2"),
    ),
    *(Decimal("0.00005"), Decimal("-0.00005"), Decimal("0.00004999999999999999999"), Decimal("0.999999")),
)
POINTS = (*(Decimal(10),) * 3, Decimal(0), Decimal(-10), Decimal("2.5"), Decimal("0.1"), Decimal("-0.10"))


def operational_rows(seed: int, today: date) -> dict[str, list[Row]]:
    """An example: table -> rows, of all 36 tables. The same seed and day give the same rows."""
    return _Example(random.Random(f"operational rows {seed}"), today).tables()


class _Example:
    """The pools of one example and the tables drawn from them."""

    def __init__(self, chance: random.Random, today: date) -> None:
        self.chance = chance
        self.today = today
        self._made = 0
        self.people = self.uuids(4)
        self.people_and_unknown = [*self.people * 4, *self.uuids(1)]
        self.organizations = self.uuids(chance.choice((3, 4)))
        self.organizations_and_unknown = [*self.organizations * 4, *self.uuids(1)]
        self.classes = self.uuids(4)
        self.roster_courses = self.uuids(3)
        self.applications = self.uuids(3)
        self.subjects = self.uuids(4)
        self.grades = self.uuids(3)
        self.documents = self.uuids(3)
        self.items = self.uuids(4)
        self.achievements = self.uuids(4)
        self.insight_types = self.uuids(8)
        self.insights_sessions = self.uuids(5)
        self.insights = self.uuids(26)
        self.sessions = self.iris(5)
        self.attempts = self.iris(10)
        self.events = self.iris(12)
        self.questions = self.iris(4)
        self.tests = self.iris(3)
        # A curriculum course and a roster course may be one; upper case makes it another.
        roster_course = str(self.roster_courses[0])
        self.resources = [roster_course, str(self.roster_courses[1]).upper(), *self.iris(8)]
        if chance.random() < 0.2:
            # One id for things of two kinds.
            self.tests[0] = self.resources[2]
            self.questions[0] = self.tests[1]
        self.contents = [*self.questions * 3, *self.tests, *self.resources, *self.iris(1)]

    # -- values -----------------------------------------------------------------------------------

    def uuids(self, count: int) -> list[UUID]:
        """New ids; their order is random, and has nothing to do with the order of the rows."""
        made = []
        for _ in range(count):
            self._made += 1
            made.append(UUID(f"{self.chance.randrange(256):02x}000000-0000-4000-8000-{self._made:012x}"))
        return made

    def iris(self, count: int) -> list[str]:
        """New ids of Caliper entities: UUIDs, urns, URLs; a locale would sort them otherwise."""
        shapes = (
            "{0}",
            "urn:uuid:{0}",
            "https://app.example/{1}?a='1'&b=%20",
            "{2}",
            "_{1}",
            "B-{1}",
            "a-{1}",
            "ä-{1}",
        )
        made = []
        for uuid in self.uuids(count):
            made.append(
                self.chance.choice(shapes).format(uuid, uuid.hex[-3:] + uuid.hex[:2], str(uuid).upper())
            )
        return made

    def pick(self, options: Sequence[Any]) -> Any:
        return self.chance.choice(options)

    def maybe(self, share: float, value: Any) -> Any:
        """The value in that share of cases, else null."""
        return value if self.chance.random() < share else None

    def text(self) -> str:
        return self.pick(BLANKS) if self.chance.random() < 0.15 else self.pick(TEXTS)

    def date(self, *days: int) -> date | None:
        return self.maybe(0.8, self.today + timedelta(days=self.pick(days or DAYS)))

    def end_date(self) -> date | None:
        """Ongoing, about to end, ended today or earlier."""
        return self.maybe(0.55, self.today + timedelta(days=self.pick((-30, -1, 0, 0, 1, 1, 30))))

    def moment(self) -> datetime:
        day = self.today + timedelta(days=self.pick((-1, -1, 0, 0, 0, -30)))
        return datetime.combine(day, self.pick(CLOCK), UTC)

    def times(self) -> Row:
        return {"date_created": self.moment(), "date_last_modified": self.moment()}

    def period(self) -> tuple[datetime, datetime]:
        """Start and end of a session or an attempt: mostly in order, some without length, some backwards."""
        start = self.moment()
        return start, start + timedelta(
            seconds=self.pick((0, 0.4, 0.5, 1.5, 2.5, 30, 459.5, 90_000, -1, -0.4))
        )

    def rows(self, most: int, make: Callable[[], Row], least: int = 1) -> list[Row]:
        return [make() for _ in range(self.chance.randint(least, most))]

    def some(self, keys: Sequence[Any], make: Callable[[Any], Row]) -> list[Row]:
        """A row for most of the keys, in any order: the others stay dangling."""
        chosen = [key for key in keys if self.chance.random() < 0.85]
        self.chance.shuffle(chosen)
        return [make(key) for key in chosen]

    # -- tables -----------------------------------------------------------------------------------

    def tables(self) -> dict[str, list[Row]]:
        tables = {
            **self.people_tables(),
            **self.roster_tables(),
            **self.activity_tables(),
            **self.curriculum_tables(),
            **self.framework_tables(),
            **self.insight_tables(),
        }
        for table in tables:
            if self.chance.random() < 0.02:
                tables[table] = []
        return tables

    def people_tables(self) -> dict[str, list[Row]]:
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


def organizations_in(tables: dict[str, list[Row]]) -> list[UUID]:
    """Every organization that an example mentions in a role, with or without a row of its own, in order."""
    return sorted({role["org_id"] for role in tables["one_roster_role"]})


UNKNOWN_ORGANIZATION = UUID("ffffffff-ffff-4fff-8fff-ffffffffffff")
"""An organization that no example mentions."""
