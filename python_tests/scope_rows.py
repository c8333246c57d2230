"""A small operational database that tries to slip past the scope, and who may see what of it.

Each person differs in one thing, the membership, and has at least one row in every scoped dataset, so
that a person who is missing from a dataset or should be is told by name.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

_NAMESPACE = UUID("5c09e000-0000-4000-8000-000000000000")
_NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def _uuid(name: str) -> UUID:
    return uuid5(_NAMESPACE, name)


SCHOOL_A = _uuid("school a")
SCHOOL_B = _uuid("school b")
DISTRICT = _uuid("district")
NOWHERE = _uuid("an organization that the roster has no row for")
"""Memberships of it count all the same."""
PAST_SCHOOL = _uuid("past school")
"""Everybody was a student and a teacher of this school once, and nobody is."""
UNKNOWN = _uuid("an organization of nobody")
ORGANIZATIONS = (SCHOOL_A, SCHOOL_B, DISTRICT, NOWHERE)
"""The organizations that somebody belongs to."""


@dataclass(frozen=True)
class Membership:
    """A role row. Days count from today, in UTC; None is not a date."""

    org_id: UUID
    status: str = "active"
    begins_in: int | None = -100
    ends_in: int | None = None
    role: str = "student"
    counts: bool = True
    """Whether this makes the person a member today, as the documentation says."""


@dataclass(frozen=True)
class Person:
    """Somebody with a name for the test's reader, and the roles beside those of the past school."""

    name: str
    memberships: tuple[Membership, ...] = ()
    has_user_row: bool = True
    id: UUID = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", _uuid(self.name))

    @property
    def session_id(self) -> str:
        """The person's Caliper session; insight datasets know the person by it alone."""
        return f"urn:uuid:{_uuid(self.name + ' session')}"

    @property
    def organizations(self) -> frozenset[UUID]:
        """The person's current organizations."""
        return frozenset(membership.org_id for membership in self.memberships if membership.counts)


PEOPLE = (
    Person("student of A", (Membership(SCHOOL_A),)),
    Person("student of B", (Membership(SCHOOL_B),)),
    Person("parent in the district", (Membership(DISTRICT, role="parent"),)),
    Person(
        "student of A, twice, and teacher of B",
        (Membership(SCHOOL_A), Membership(SCHOOL_A, ends_in=9), Membership(SCHOOL_B, role="teacher")),
    ),
    Person("of every organization", tuple(Membership(org_id, role="aide") for org_id in ORGANIZATIONS)),
    Person("at an organization without a row", (Membership(NOWHERE),)),
    Person("leaves A tomorrow", (Membership(SCHOOL_A, ends_in=1),)),
    Person("left A as of today", (Membership(SCHOOL_A, ends_in=0, counts=False),)),
    Person("left A yesterday", (Membership(SCHOOL_A, ends_in=-1, counts=False),)),
    Person("comes to A next month", (Membership(SCHOOL_A, begins_in=30),)),
    Person("of A, beginning unknown", (Membership(SCHOOL_A, begins_in=None),)),
    Person("inactive in A", (Membership(SCHOOL_A, status="inactive", counts=False),)),
    Person("deleted from A", (Membership(SCHOOL_A, status="tobedeleted", counts=False),)),
    Person("of A in another spelling of active", (Membership(SCHOOL_A, status="Active", counts=False),)),
    Person(
        "of A, no longer of B, inactive in the district",
        (
            Membership(SCHOOL_A),
            Membership(SCHOOL_B, ends_in=-30, counts=False),
            Membership(DISTRICT, status="inactive", counts=False),
        ),
    ),
    Person("left A and came back", (Membership(SCHOOL_A, ends_in=-9, counts=False), Membership(SCHOOL_A))),
    Person("of the past alone"),
    Person("of A without a user row", (Membership(SCHOOL_A),), has_user_row=False),
)
BY_NAME = {person.name: person for person in PEOPLE}

GUESTS = tuple(
    Person(f"guest: {person.name}", (membership,) if membership else ())
    for person in PEOPLE
    # a guest has one organization at most, and is a member of it or is not
    for membership in [next((member for member in person.memberships if member.counts), None)]
)
"""ROAR's guests, one for each of the people."""

PERSONLESS_SESSION = "urn:uuid:00000000-0000-4000-8000-00000000dead"

_OWNERS: dict[Any, Person] = {
    **{person.id: person for person in PEOPLE},
    **{str(person.id): person for person in (*PEOPLE, *GUESTS)},
    **{person.session_id: person for person in PEOPLE},
}


def owner(row: dict[str, Any]) -> Person | None:
    """Whose a dataset's row is, told by the ids in it; None for the session that nobody is known to have had.

    Raises:
        ValueError: the ids are of several people, or of nobody.
    """
    owners = {_OWNERS[value] for value in row.values() if isinstance(value, UUID | str) and value in _OWNERS}
    if len(owners) == 1:
        return owners.pop()
    if not owners and PERSONLESS_SESSION in row.values():
        return None
    raise ValueError(f"{row} is of {sorted(person.name for person in owners) or 'nobody'}")


def fill(conn: psycopg.Connection, schema: str) -> None:
    """Write the rows into the operational tables of a schema, which must be empty; does not commit."""
    today = conn.execute("select (now() at time zone 'UTC')::date").fetchone()[0]
    for table, rows in _tables(today).items():
        names = list(rows[0])
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(schema, table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(sql.Placeholder() * len(names)),
        )
        with conn.cursor() as cursor:
            cursor.executemany(statement, [[row[name] for name in names] for row in rows])


_ROAR_KINDS = ("districts", "schools", "classes", "groups", "families")


def _roar_documents() -> list[dict[str, Any]]:
    """The same people in ROAR, where organizations have the texts of the same ids.

    Memberships that count are current, in one list of the five or another; the others are of the past.
    """
    documents: dict[str, dict[str, Any]] = {}
    for person in PEOPLE:
        lists: dict[str, dict[str, list[str]]] = {kind: {"current": [], "all": []} for kind in _ROAR_KINDS}
        for number, membership in enumerate(person.memberships):
            of_kind = lists[_ROAR_KINDS[(number + len(person.name)) % len(_ROAR_KINDS)]]
            of_kind["all"].append(str(membership.org_id))
            if membership.counts:
                of_kind["current"].append(str(membership.org_id))
        documents[f"users/{person.id}"] = lists
        documents[f"deleted-users/{person.id}"] = lists
        documents[f"userClaims/{person.id}"] = {"lastUpdated": 1692206400}
        documents[f"users/{person.id}/runs/run"] = {"taskId": "swr"}
        documents[f"users/{person.id}/runs/run/trials/trial"] = {"stimulus": f"secret of {person.name}"}
    for guest in GUESTS:
        districts = [str(membership.org_id) for membership in guest.memberships]
        documents[f"guests/{guest.id}"] = {"districtId": districts[0]} if districts else {}
        documents[f"guests/{guest.id}/runs/run"] = {"taskId": "swr"}
        documents[f"guests/{guest.id}/runs/run/trials/trial"] = {"stimulus": f"secret of {guest.name}"}
    return [{"path": path, "data": Jsonb(data), "update_time": _NOW} for path, data in documents.items()]


def _tables(today: date) -> dict[str, list[dict[str, Any]]]:
    """The rows, by table; the first row of a table has all of its columns."""
    tables = _shared_tables()
    for person in PEOPLE:
        for table, rows in _tables_of(person, today).items():
            tables.setdefault(table, []).extend(rows)
    tables["roar_document"] = _roar_documents()
    tables["caliper_session"].append(
        {**tables["caliper_session"][0], "id": PERSONLESS_SESSION, "user_id": None, "ended_at_time": None}
    )
    return tables


_DATES = {"date_created": _NOW, "date_last_modified": _NOW}


def _shared_tables() -> dict[str, list[dict[str, Any]]]:
    """What people share: organizations, a class, an application, a question, types of insights."""
    return {
        "one_roster_organization": [
            {"id": org_id, "name": name, "type": kind, "status": "active", **_DATES}
            for org_id, name, kind in (
                (SCHOOL_A, "School A", "school"),
                (SCHOOL_B, "School B", "school"),
                (DISTRICT, "District", "district"),
                (PAST_SCHOOL, "Past School", "school"),
            )
        ],
        "one_roster_course": [{"id": _uuid("course"), "title": "Algebra", "status": "active", **_DATES}],
        "one_roster_class": [
            {
                "id": _uuid("class"),
                "title": "Algebra, period 1",
                "course_id": _uuid("course"),
                "school_id": PAST_SCHOOL,
                **_DATES,
            }
        ],
        "lti_application": [{"id": _uuid("application"), "name": "Fraction Lab"}],
        "caliper_assessment_item": [{"id": "question", "name": "3/4 + 1/8"}],
        "cf_item": [{"identifier": _uuid("item"), "full_statement": "Fractions"}],
        "cf_subject": [{"identifier": _uuid("subject"), "title": "Mathematics", "hierarchy_code": "1"}],
        "clr_achievement": [
            {"id": _uuid("achievement"), "cf_item_id": _uuid("item"), "achievement_type": "StandardMastery"}
        ],
        "insights_type": [
            {
                "id": _uuid(slug),
                "slug": slug,
                "category": category,
                "visibility": "external",
                "is_waste": is_waste,
            }
            for slug, category, is_waste in (
                ("CheatingHelp", "Cheating", True),
                ("UnauthorizedDevice", "Proctoring", True),
                ("EyesOffScreen", "Engagement", True),
                ("Journal", "Journal", False),
            )
        ],
    }


def _tables_of(person: Person, today: date) -> dict[str, list[dict[str, Any]]]:
    """A person's rows, alike but for the roles. Long because it is data: a row in every table with people."""

    def own(name: str) -> UUID:
        return _uuid(f"{person.name} {name}")

    def day(distance: int | None) -> date | None:
        return None if distance is None else today + timedelta(days=distance)

    past = [
        Membership(PAST_SCHOOL, begins_in=-900, ends_in=-700, role="student", counts=False),
        Membership(PAST_SCHOOL, status="tobedeleted", role="teacher", counts=False),
        Membership(PAST_SCHOOL, status="inactive", role="principal", counts=False),
    ]
    attempt = f"attempt of {person.name}"
    insights_session = own("insights session")
    return {
        "one_roster_user": [
            {
                "id": person.id,
                "given_name": "Somebody",
                "family_name": person.name,
                "email": f"{person.id}@example.org",
                "status": "active",
                **_DATES,
            }
        ]
        if person.has_user_row
        else [],
        "one_roster_role": [
            {
                "id": own(f"role {number}"),
                "user_id": person.id,
                "org_id": membership.org_id,
                "role": membership.role,
                "role_type": "primary",
                "begin_date": day(membership.begins_in),
                "end_date": day(membership.ends_in),
                "status": membership.status,
                **_DATES,
            }
            for number, membership in enumerate([*past, *person.memberships])
        ],
        "one_roster_enrollment": [
            {"id": own("enrollment"), "user_id": person.id, "class_id": _uuid("class"), "role": "student"}
            | {"status": "active", **_DATES}
        ],
        "one_roster_user_agent": [
            {"id": own("mentor"), "source_user_id": person.id, "agent_user_id": _uuid("mentor")}
            | {"relationship_type": "teacher", "status": "active", **_DATES}
        ],
        "placement_student_subject_placement": [
            {"id": own("placement"), "student_id": person.id, "subject_id": _uuid("subject")}
        ],
        "clr_achievement_credential": [
            # two that look alike are two rows
            {"id": own(f"credential {number}"), "achievement_id": _uuid("achievement")}
            | {"credential_subject_id": person.id, "result_value": 0.5, "date_last_modified": _NOW}
            for number in (1, 2)
        ],
        "caliper_session": [
            {
                "id": person.session_id,
                "user_id": person.id,
                "client_id": _uuid("application"),
                "started_at_time": _NOW,
                "ended_at_time": _NOW + timedelta(minutes=30),
                **_DATES,
            }
        ],
        "caliper_attempt": [
            {
                "id": attempt,
                "assignee_id": person.id,
                "assignable_id": "question",
                "started_at_time": _NOW,
                **_DATES,
            }
        ],
        "caliper_score": [
            {"id": attempt, "attempt_id": attempt, "score_given": 1, "max_score": 1, "date_created": _NOW}
        ],
        "caliper_event": [
            {"id": attempt, "type": "AssessmentItemEvent", "action": "Completed", "generated_id": attempt}
            | {"session_id": person.session_id, "event_time": _NOW}
        ],
        "tb_xp_ledger": [
            {"id": own("xp"), "user_id": person.id, "application_id": _uuid("application")}
            | {"source_event_id": attempt, "value": 10, "date_generated": _NOW, "date_created": _NOW}
        ],
        "insights_session": [
            {
                "id": insights_session,
                "caliper_session_id": person.session_id,
                "user_id": person.id,
                "application_id": _uuid("application"),
                "webcam_enabled": True,
                "is_proctored": True,
                "date_last_modified": _NOW,
            }
        ],
        "insights_insight": [
            {
                "id": own(f"insight {slug} {number}"),
                "session_id": insights_session,
                "insight_type_id": _uuid(slug),
                "started_at_time": _NOW,
                "ended_at_time": _NOW + timedelta(minutes=1),
                "reason": f"secret of {person.name}",
                "is_visible": True,
                "date_last_modified": _NOW,
            }
            for slug in ("CheatingHelp", "UnauthorizedDevice", "EyesOffScreen", "Journal")
            for number in (1, 2)
        ],
        "insights_recommendation": [
            {
                "id": own("recommendation"),
                "user_id": person.id,
                "type": "practice",
                "source": "tutor",
                "visibility": "student",
                "content": f"secret of {person.name}",
                "generated_at": _NOW,
            }
        ],
    }
