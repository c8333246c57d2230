"""Who may see which rows: the caller's setting, what the caller is bound to, and a person's organizations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from .rules import WHITE_SPACE, Project, Row, Tables

CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class ScopeError(ValueError):
    """The setting asks for something that the caller may not have, or is not a list of UUIDs.

    `element` is the part of the setting that is at fault, as the caller wrote it, without white space around.
    """

    def __init__(self, element: str) -> None:
        super().__init__(f"not allowed in the scope setting: {element!r}")
        self.element = element


class Everyone(Enum):
    """The scope of an unrestricted caller: no list of organizations."""

    EVERYONE = "*"


EVERYONE = Everyone.EVERYONE


@dataclass(frozen=True)
class Scope:
    """A caller: the text of the setting (None: never set), and who asks.

    `unrestricted` is membership of timeback_unrestricted, or a superuser. `bindings` holds one set of
    organizations for each role of the caller (session_user, current_user) that is bound on the server side.
    """

    setting: str | None
    unrestricted: bool = False
    bindings: tuple[frozenset[UUID], ...] = ()

    def resolve(self) -> frozenset[UUID] | Everyone:
        """The organizations that the caller may see, or EVERYONE. Raises ScopeError where it is neither."""
        text = (self.setting or "").strip(WHITE_SPACE)
        if text == "*":
            # A bound role may say `*` without being unrestricted: it means the binding.
            if self.bindings:
                return frozenset.intersection(*self.bindings)
            if self.unrestricted:
                return EVERYONE
            raise ScopeError("*")
        return frozenset(listed_organizations(text)).intersection(*self.bindings)


def listed_organizations(text: str) -> list[UUID]:
    """The ids of a list such as `a, b` or `{a,b}`; none where there is no text, or nothing in the braces."""
    if text.startswith("{") and text.endswith("}") and len(text) >= 2:
        text = text[1:-1].strip(WHITE_SPACE)
    if not text:
        return []
    organizations = []
    for element in text.split(","):
        element = element.strip(WHITE_SPACE)
        if not CANONICAL_UUID.fullmatch(element):
            raise ScopeError(element)
        organizations.append(UUID(element))
    return organizations


def current_organizations(tables: Tables, project: Project) -> dict[UUID, frozenset[UUID]]:
    """Person -> organizations of today: any role, status active, not ended.

    OneRoster's end date is exclusive: on the day itself the membership is over. A begin date in the future
    hides nothing, since the documentation excludes ended memberships alone.
    """
    organizations: dict[UUID, set[UUID]] = {}
    for role in tables["one_roster_role"]:
        ended = role["end_date"] is not None and role["end_date"] <= project.today
        if role["status"] == "active" and not ended:
            organizations.setdefault(role["user_id"], set()).add(role["org_id"])
    return {person: frozenset(orgs) for person, orgs in organizations.items()}


def visible_rows(
    rows: Iterable[tuple[UUID | None, Row]],
    allowed: frozenset[UUID] | Everyone,
    organizations: dict[UUID, frozenset[UUID]],
) -> list[Row]:
    """Of (person, row) pairs, the rows that the scope lets through, each with its org_ids."""
    visible = []
    for person, row in rows:
        # A row without a person (a session nobody started) belongs to no organization.
        of_person = organizations.get(person, frozenset()) if person is not None else frozenset()
        if isinstance(allowed, Everyone):
            visible.append({**row, "org_ids": of_person})
        elif of_person & allowed:
            visible.append({**row, "org_ids": of_person & allowed})
    return visible
