"""Roles and relationships that users.csv implies; without a sourcedId, they end when a record drops them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._oneroster_layout import own_id
from timeback_analytics.load.losses import Loss
from timeback_analytics.load.problems import Problems
from timeback_analytics.load.tables import TableRows

ROLE_COLUMNS = ("id", "user_id", "org_id", "role", "role_type", "end_date", "status", "date_last_modified")
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
        is_bare: whether the record says a status and nothing else, so that the rest is as it was.
    """

    user_id: str
    line: int
    is_deleted: bool
    modified: str | None
    role: str | None
    orgs: tuple[str, ...]
    agents: dict[str, str] | None
    is_bare: bool = False

    @classmethod
    def bare(cls, user_id: str, is_deleted: bool, modified: str | None) -> "Person":
        """A record that says a status and nothing else."""
        return cls(user_id, 0, is_deleted, modified, None, (), None, is_bare=True)

    @property
    def has_relationships(self) -> bool:
        """Whether the record says something of relationships: which there are, or that all are gone."""
        return self.agents is not None or (self.is_bare and self.is_deleted)

    @property
    def kept_status(self) -> str:
        """The status of what the record implies."""
        return "tobedeleted" if self.is_deleted else "active"

    @property
    def end_date(self) -> str:
        """The day on which something ended that the record no longer says: when it changed, else today."""
        moment = datetime.fromisoformat(self.modified) if self.modified else datetime.now(UTC)
        return moment.date().isoformat()


def roles_of(people: Mapping[str, Person], database: Database) -> tuple[TableRows, Loss]:
    """Roles out of role and orgSourcedIds, as version 1.1 has them; and how many end.

    A role that the database has under an id of its own keeps it. One that an earlier load took from
    here, and that the person's record does not say any more, ends. The roles of a person who is said to be
    gone, and nothing else, are gone too.
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
    derived = ended = 0
    for role_id, *key, role_type, status, end_date in stored:
        person = people[key[0]]
        if end_date is not None or role_id != own_id("role", *key):
            continue
        if person.is_bare:
            if person.is_deleted:
                rows.append((role_id, *key, role_type, None, person.kept_status, person.modified))
            continue
        derived += status == "active"
        if tuple(key) not in said:
            ended += status == "active"
            rows.append((role_id, *key, role_type, person.end_date, "inactive", person.modified))
    what = "current roles would end, since their users' records do not say them any more"
    return TableRows("one_roster_role", ROLE_COLUMNS, rows), Loss("one_roster_role", ended, derived, what)


class Relationships:
    """Relationships out of agentSourcedIds, each with the agent's role as its type.

    Attributes:
        notes: see Reading.notes; complete after rows().
    """

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
        self.notes: list[str] = []
        self._without_role = 0
        self._listers = {user_id: person for user_id, person in people.items() if person.agents is not None}
        self._gone = {
            user_id: person for user_id, person in people.items() if person.is_bare and person.is_deleted
        }
        self._database = database
        self._problems = problems
        self._roles: dict[str, list[Role]] = defaultdict(list)
        for user_id, known in roles.items():
            self._roles[user_id].extend(known)
        self._add_stored_roles()

    def rows(self) -> tuple[TableRows, Loss]:
        """The relationships that are listed, and the end of those that an earlier load found and are not.

        And how many end.

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
        derived = ended = 0
        for relationship_id, *key, end_date in stored:
            lister = None if end_date else self._lister(relationship_id, *key)
            if lister is None:
                continue
            if lister.is_bare:
                if tuple(key) not in listed:
                    rows.append((relationship_id, *key, None, lister.kept_status, lister.modified))
                continue
            derived += 1
            if tuple(key) not in listed:
                ended += 1
                rows.append((relationship_id, *key, lister.end_date, "inactive", lister.modified))
        if self._without_role:
            self.notes.append(
                f"{self._without_role:,} relationships to agents without a role, which would say what they "
                "are, were left out."
            )
        what = "current relationships would end, since users.csv does not list them any more"
        loss = Loss("one_roster_user_agent", ended, derived, what)
        return TableRows("one_roster_user_agent", _AGENT_COLUMNS, rows), loss

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
            for row in self._database.rows(
                "one_roster_user_agent", columns, column, [*self._listers, *self._gone]
            )
        }
        return sorted(found, key=lambda row: row[0], reverse=True)

    def _lister(self, relationship_id: str, source_id: str, agent_id: str, kind: str) -> Person | None:
        """Whose record an earlier load took the relationship from, where it has come again."""
        for lister_id, other_id in ((source_id, agent_id), (agent_id, source_id)):
            lister = self._listers.get(lister_id) or self._gone.get(lister_id)
            if lister and relationship_id == own_id("user_agent", lister_id, other_id, kind):
                return lister
        return None

    def _relationship(self, lister: Person, agent_id: str, sourced_id: str) -> tuple[str, str, str] | None:
        """Student, adult and the adult's role, whichever of the two lists the other."""
        lister_role = self._role_towards(lister.user_id, agent_id)
        agent_role = self._role_towards(agent_id, lister.user_id)
        if agent_role is None and self._problems.skips_bad:
            # both records are good ones; the relationship alone is not
            self._without_role += 1
            return None
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
