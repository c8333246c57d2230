"""Roles and relationships that users.csv implies; without a sourcedId, they end when a record drops them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._oneroster_layout import own_id
from timeback_analytics.load.problems import Problems
from timeback_analytics.load.tables import TableRows

_ROLE_COLUMNS = ("id", "user_id", "org_id", "role", "role_type", "end_date", "status", "date_last_modified")
_AGENT_COLUMNS = (
    "id",
    "source_user_id",
    "agent_user_id",
    "relationship_type",
    "end_date",
    "status",
    "date_last_modified",
)


@dataclass(frozen=True)
class Role:
    """A role of a person in an organization."""

    role: str
    org_id: str
    is_primary: bool
    is_active: bool


@dataclass(frozen=True)
class Person:
    """A record of users.csv.

    Attributes:
        user_id: who it is.
        line: where the record is.
        is_deleted: whether it says tobedeleted.
        modified: when it last changed, in UTC; None where the record does not say.
        role: the role in orgs; None in version 1.2.
        orgs: the organizations, the primary one first.
        agents: the listed agents, with the sourcedId of each; None where the file has no such column.
    """

    user_id: str
    line: int
    is_deleted: bool
    modified: str | None
    role: str | None
    orgs: tuple[str, ...]
    agents: dict[str, str] | None

    @property
    def kept_status(self) -> str:
        """The status of what the record implies."""
        return "tobedeleted" if self.is_deleted else "active"

    @property
    def end_date(self) -> str:
        """The day on which something ended that the record no longer says: when it changed, else today."""
        moment = datetime.fromisoformat(self.modified) if self.modified else datetime.now(UTC)
        return moment.date().isoformat()


def roles_of(people: Mapping[str, Person], database: Database) -> TableRows:
    """Roles out of role and orgSourcedIds, as version 1.1 has them.

    A role that the database has under an id of its own keeps it. One that an earlier load took from
    here, and that the person's record does not say any more, ends.
    """
    said = {
        (person.user_id, org_id, person.role): ("primary" if number == 0 else "secondary", person)
        for person in people.values()
        for number, org_id in enumerate(person.orgs)
    }
    stored = database.rows(
        "one_roster_role",
        ("id", "user_id", "org_id", "role", "role_type", "status", "end_date"),
        "user_id",
        people,
    )
    stored.sort(key=lambda row: row[0], reverse=True)
    current = {tuple(row[1:4]): row[0] for row in stored if row[5] == "active" and row[6] is None}
    rows = [
        (
            current.get(key) or own_id("role", *key),
            *key,
            role_type,
            None,
            person.kept_status,
            person.modified,
        )
        for key, (role_type, person) in said.items()
    ]
    for role_id, *key, role_type, _, end_date in stored:
        if end_date is None and tuple(key) not in said and role_id == own_id("role", *key):
            person = people[key[0]]
            rows.append((role_id, *key, role_type, person.end_date, "inactive", person.modified))
    return TableRows("one_roster_role", _ROLE_COLUMNS, rows)


class Relationships:
    """Relationships out of agentSourcedIds, each with the agent's role as its type."""

    def __init__(
        self,
        people: Mapping[str, Person],
        roles: Mapping[str, Iterable[Role]],
        database: Database,
        problems: Problems,
    ) -> None:
        """Take what is known of the people.

        Args:
            people: the records of users.csv.
            roles: the roles that the bundle gives; the database has those of others.
            database: what is stored.
            problems: where to note an agent without a role.
        """
        self._listers = {user_id: person for user_id, person in people.items() if person.agents is not None}
        self._database = database
        self._problems = problems
        self._roles: dict[str, list[Role]] = defaultdict(list)
        for user_id, known in roles.items():
            self._roles[user_id].extend(known)
        self._add_stored_roles()

    def rows(self) -> TableRows:
        """The relationships that are listed, and the end of those that an earlier load found and are not.

        The id of a relationship tells who listed it, and only that person's record can end it: exports
        list the adults with the student, the students with the adult, or both.
        """
        listed: dict[tuple[str, str, str], tuple[str, Person]] = {}
        for lister in self._listers.values():
            for agent_id, sourced_id in lister.agents.items():
                key = self._relationship(lister, agent_id, sourced_id)
                # the student's own record says it, where both list each other
                if key and (key not in listed or lister.user_id == key[0]):
                    other = key[1] if key[0] == lister.user_id else key[0]
                    listed[key] = own_id("user_agent", lister.user_id, other, key[2]), lister
        stored = self._stored()
        current = {tuple(row[1:4]): row[0] for row in stored if row[4] is None}
        rows = [
            (current.get(key, relationship_id), *key, None, lister.kept_status, lister.modified)
            for key, (relationship_id, lister) in listed.items()
        ]
        for relationship_id, *key, end_date in stored:
            lister = None if end_date or tuple(key) in listed else self._lister(relationship_id, *key)
            if lister:
                rows.append((relationship_id, *key, lister.end_date, "inactive", lister.modified))
        return TableRows("one_roster_user_agent", _AGENT_COLUMNS, rows)

    def _add_stored_roles(self) -> None:
        everybody = {agent_id for lister in self._listers.values() for agent_id in lister.agents}
        unknown = (everybody | set(self._listers)) - set(self._roles)
        columns = ("user_id", "role", "org_id", "role_type", "status")
        for user_id, role, org_id, role_type, status in self._database.rows(
            "one_roster_role", columns, "user_id", unknown
        ):
            self._roles[user_id].append(Role(role, org_id, role_type == "primary", status == "active"))

    def _stored(self) -> list[tuple[str, str, str, str, str | None]]:
        """The stored relationships of the listers, highest id first."""
        columns = ("id", "source_user_id", "agent_user_id", "relationship_type", "end_date")
        found = {
            row
            for column in ("source_user_id", "agent_user_id")
            for row in self._database.rows("one_roster_user_agent", columns, column, self._listers)
        }
        return sorted(found, key=lambda row: row[0], reverse=True)

    def _lister(self, relationship_id: str, source_id: str, agent_id: str, kind: str) -> Person | None:
        """Whose record an earlier load took the relationship from, where it has come again."""
        for lister_id, other_id in ((source_id, agent_id), (agent_id, source_id)):
            if lister_id in self._listers and relationship_id == own_id(
                "user_agent", lister_id, other_id, kind
            ):
                return self._listers[lister_id]
        return None

    def _relationship(self, lister: Person, agent_id: str, sourced_id: str) -> tuple[str, str, str] | None:
        """Student, adult and the adult's role, whichever of the two lists the other."""
        lister_role = self._role_towards(lister.user_id, agent_id)
        agent_role = self._role_towards(agent_id, lister.user_id)
        if agent_role is None:
            self._problems.add(
                "users.csv",
                "the agent has no role, which would say what the relationship is.",
                "Give every agent a role.",
                line=lister.line,
                column="agentSourcedIds",
                value=sourced_id,
            )
            return None
        if agent_role == "student" and lister_role == "student":
            return lister.user_id, agent_id, "peer"
        if agent_role == "student" and lister_role is not None:
            return agent_id, lister.user_id, lister_role
        return lister.user_id, agent_id, agent_role

    def _role_towards(self, user_id: str, other_id: str) -> str | None:
        """The role that matters between two people: active, at an organization of both, primary."""
        shared = {role.org_id for role in self._roles.get(other_id, ())}
        ranked = sorted(
            self._roles.get(user_id, ()),
            key=lambda role: (not role.is_active, role.org_id not in shared, not role.is_primary, role.role),
        )
        return ranked[0].role if ranked else None
