"""Whose a credential is: by the subject's id, by identities that it gives, also by hashed addresses."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._fact_names import user_id_of
from timeback_analytics.load.formats._facts import who

_HASHES = ("sha256", "md5")


@dataclass(frozen=True)
class Holder:
    """What is said of a holder; the first that leads to a user counts, sourcedIds before addresses.

    Attributes:
        sourced_ids: sourcedIds, the surest first.
        emails: addresses in small letters.
        hashed: kind of hash, hash and salt of addresses.
    """

    sourced_ids: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    hashed: tuple[tuple[str, str, str], ...] = ()


def holder_of(subject: dict[str, Any], outer: Holder) -> Holder:
    """The holder that a subject names, and after it the one of the credential around it."""
    sourced_ids: list[str] = []
    emails: list[str] = []
    hashed: list[tuple[str, str, str]] = []
    identities = subject.get("identifier")
    for one in identities if isinstance(identities, list) else [identities]:
        if not isinstance(one, dict) or not isinstance(one.get("identityHash"), str):
            continue
        value, kind = one["identityHash"].strip(), one.get("identityType")
        algorithm, dollar, digest = value.partition("$")
        if one.get("hashed") is True or (dollar and algorithm in _HASHES):
            if kind == "emailAddress" and algorithm in _HASHES:
                hashed.append((algorithm, digest.lower(), str(one.get("salt") or "")))
        elif kind == "emailAddress":
            emails.append(value.lower())
        elif kind == "sourcedId":
            sourced_ids.append(value)
    if isinstance(subject.get("id"), str):
        sourced_id, email = who(subject["id"])
        sourced_ids += [sourced_id] if sourced_id else []
        emails += [email] if email else []
    return Holder((*sourced_ids, *outer.sourced_ids), (*emails, *outer.emails), (*hashed, *outer.hashed))


def find_holders(holders: Collection[Holder], database: Database, source: str) -> dict[Holder, str]:
    """The user of each holder who is one."""
    ids = {name: user_id_of(name, source) for holder in holders for name in holder.sourced_ids}
    known = database.existing("one_roster_user", set(ids.values()))
    addresses = {email for holder in holders for email in holder.emails}
    by_email = _by_email(database.rows("one_roster_user", ("id", "email"), "email", addresses, lower=True))
    salts = {(algorithm, salt) for holder in holders for algorithm, _, salt in holder.hashed}
    by_hash = {}
    if salts:
        everybody = _by_email(database.rows("one_roster_user", ("id", "email")))
        for algorithm, salt in salts:
            for email, user_id in everybody.items():
                digest = hashlib.new(algorithm, f"{email}{salt}".encode()).hexdigest()
                by_hash[algorithm, digest, salt] = user_id
    found = {}
    for holder in holders:
        candidates = [
            *(ids[name] for name in holder.sourced_ids if ids[name] in known),
            *(by_email[email] for email in holder.emails if email in by_email),
            *(by_hash[one] for one in holder.hashed if one in by_hash),
        ]
        if candidates:
            found[holder] = candidates[0]
    return found


def _by_email(rows: list[tuple[str, str | None]]) -> dict[str, str]:
    """User by address, in small letters; of two with one address the one with the lowest id."""
    return {email.lower(): user_id for user_id, email in sorted(rows, reverse=True) if email}
