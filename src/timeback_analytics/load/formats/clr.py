"""CLR 2.0 and Open Badges 3.0: credentials of achievements, with results and alignments to CASE."""

import base64
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._clr_people import Holder, find_holders, holder_of
from timeback_analytics.load.formats._clr_results import fraction
from timeback_analytics.load.formats._clr_status import Revocations
from timeback_analytics.load.formats._json_records import Record, read_records
from timeback_analytics.load.formats._lenient import as_datetime, instant, storable
from timeback_analytics.load.formats._linked_data import term
from timeback_analytics.load.identifiers import as_uuid, derived_id
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import MalformedError, Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.tables import Reading, TableRows

_CREDENTIALS = ("AchievementCredential", "OpenBadgeCredential")
_AWARDED = ("awardedDate", "validFrom", "issuanceDate")
_EXPIRES = ("validUntil", "expirationDate")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_DEEPEST = 20


class Clr:
    """The format `clr`."""

    name = "clr"
    description = "CLR 2.0 and Open Badges 3.0 credentials"
    accepts = "JSON, one or many, JSON lines, signed ones (JWT) in JSON too; or a folder of them"
    whole = None
    options = frozenset({"source"})

    def __init__(self) -> None:
        self.tables = {
            "one_roster_user": ("id", "email"),
            "cf_item": ("identifier", "human_coding_scheme"),
            "clr_achievement": ("id", "cf_item_id", "achievement_type"),
            "clr_achievement_credential": (
                *("id", "achievement_id", "credential_subject_id", "result_value", "awarded_date"),
                "date_last_modified",
            ),
        }

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        credentials = _Credentials(problems)
        for record in read_records(path, ("credentials",), problems, progress, mark="credentialSubject"):
            credentials.add(record)
        if problems.is_hopeless:
            return Reading(self.description)
        return credentials.finish(database, options.source)


FORMAT = Clr()


class _Credentials:
    """The credentials of all files; of one id the one that was awarded last counts."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._revocations = Revocations()
        self._found: dict[str, tuple[str, Record, dict[str, Any], Holder]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Add the credentials of a record, or say what is wrong with it."""
        thing = _opened(record.value)
        if thing is None:
            record.refuse(
                self._problems, "this is not a credential.", "Give credentials of CLR 2.0 or Open Badges 3.0."
            )
        elif not _is_storable(thing):
            record.refuse(self._problems, "a text holds a NUL or half of a surrogate pair.")
        elif not self._revocations.add(thing):
            self._add(record, thing, Holder(), 0)

    def _add(self, record: Record, thing: dict[str, Any], outer: Holder, depth: int) -> None:
        subject = thing.get("credentialSubject")
        subject = subject[0] if isinstance(subject, list) and subject else subject
        if not isinstance(subject, dict) or depth > _DEEPEST:
            record.refuse(self._problems, "the credential has no credentialSubject.")
            return
        holder = holder_of(subject, outer)
        inner = subject.get("verifiableCredential")
        if inner is not None:
            for one in inner if isinstance(inner, list) else [inner]:
                opened = _opened(one)
                if opened is None:
                    record.refuse(
                        self._problems,
                        "a credential in it is not one.",
                        at="credentialSubject.verifiableCredential",
                    )
                else:
                    self._add(record, opened, holder, depth + 1)
            return
        kinds = thing.get("type")
        kinds = list(map(term, kinds if isinstance(kinds, list) else [kinds]))
        if not isinstance(subject.get("achievement"), dict):
            is_one = any(kind in _CREDENTIALS for kind in kinds)
            self._counts[
                "credentials without an achievement" if is_one else "credentials of other kinds"
            ] += 1
            return
        name = thing.get("id")
        if not isinstance(name, str) or not name:
            name = f"urn:uuid:{derived_id('clr', 'credential', json.dumps(thing, sort_keys=True))}"
        try:
            awarded = _time(thing, _AWARDED)
        except MalformedError as error:
            record.refuse(self._problems, error.reason, error.remedy, value=name)
            return
        known = self._found.get(name)
        # of two that were awarded at once, which one comes first makes no difference
        rank = f"{awarded}{json.dumps(thing, sort_keys=True)}"
        if known is None or rank > known[0]:
            self._found[name] = rank, record, {**thing, "credentialSubject": subject}, holder

    def finish(self, database: Database, source: str) -> Reading:
        """The rows and the notes."""
        users = find_holders([found[3] for found in self._found.values()], database, source)
        items = _Items(
            database, [found[2]["credentialSubject"]["achievement"] for found in self._found.values()]
        )
        achievements: dict[str, tuple[str, str | None, str]] = {}
        rows = []
        counts = self._counts
        for name, (_, record, thing, holder) in sorted(self._found.items()):
            if self._revocations.is_revoked(thing):
                counts["credentials that were revoked; where they were stored, they go"] += 1
                rows.append((_id_of("credential", name), None, None, None, None, None))
                continue
            user_id = users.get(holder)
            if user_id is None:
                counts["credentials of people who are not in one_roster_user"] += 1
                continue
            subject = thing["credentialSubject"]
            achievement = self._achievement(subject["achievement"], record, items, achievements)
            value, reason = fraction(subject.get("result"), subject["achievement"].get("resultDescription"))
            if reason:
                counts[f"{reason}, which are left empty"] += 1
            rows.append(
                (_id_of("credential", name), achievement, user_id, value, _time(thing, _AWARDED), None)
            )
        columns = FORMAT.tables
        tables = [
            TableRows("clr_achievement", columns["clr_achievement"], list(achievements.values())),
            TableRows(
                *("clr_achievement_credential", columns["clr_achievement_credential"], rows),
                tombstone="achievement_id",
            ),
        ]
        what = f"CLR: {len(self._found):,} credentials of {len(achievements):,} achievements"
        return Reading(what, tables, self._notes(items))

    def _achievement(
        self,
        thing: dict[str, Any],
        record: Record,
        items: "_Items",
        achievements: dict[str, tuple[str, str | None, str]],
    ) -> str:
        """The id of an achievement, whose row is added."""
        name = thing.get("id")
        if not isinstance(name, str) or not name:
            name = f"name:{thing.get('name')}"
        kind = term(thing.get("achievementType")) or "Achievement"
        achievement_id = _id_of("achievement", name)
        row = achievement_id, items.find(thing), kind
        known = achievements.setdefault(achievement_id, row)
        if known != row:
            self._counts["achievements that share their id with a different one; one of the two counts"] += 1
            # the order of files must make no difference
            achievements[achievement_id] = max(known, row, key=lambda one: (one[1] or "", one[2]))
        return achievement_id

    def _notes(self, items: "_Items") -> list[str]:
        expired = 0
        now = datetime.now(UTC)
        for _, _, thing, _ in self._found.values():
            try:
                until = _time(thing, _EXPIRES)
            except MalformedError:
                continue
            expired += until is not None and until < now
        counts = self._counts + Counter(
            {
                "credentials that have expired; they were awarded, and stay": expired,
                "credentials that name a list of revocations that is not here": self._revocations.unchecked,
                "credentials aligned to no CASE item that is known": items.unknown,
            }
        )
        return [f"{what[0].upper()}{what[1:]}: {count:,}." for what, count in sorted(counts.items()) if count]


class _Items:
    """CASE items that achievements are aligned to: by the UUID in the link, else by the code.

    Attributes:
        unknown: the number of achievements whose alignments name no item that could be identified.
    """

    def __init__(self, database: Database, achievements: list[dict[str, Any]]) -> None:
        self.unknown = 0
        alignments = [one for thing in achievements for one in _alignments(thing)]
        uuids = {found for one in alignments for found in _uuids(one)}
        codes = {one["targetCode"] for one in alignments if isinstance(one.get("targetCode"), str)}
        self._stored = database.existing("cf_item", uuids, "identifier")
        columns = ("human_coding_scheme", "identifier")
        by_code: dict[str, set[str]] = {}
        for code, identifier in database.rows("cf_item", columns, "human_coding_scheme", codes):
            by_code.setdefault(code, set()).add(identifier)
        # a code that two frameworks have is none
        self._by_code = {code: next(iter(found)) for code, found in by_code.items() if len(found) == 1}

    def find(self, achievement: dict[str, Any]) -> str | None:
        """The item; one that is stored comes before others, one that is said to be CASE's before those."""
        alignments = sorted(_alignments(achievement), key=lambda one: term(one.get("targetType")) != "CFItem")
        linked = [found for one in alignments for found in _uuids(one)]
        of_case = [
            found for one in alignments if term(one.get("targetType")) == "CFItem" for found in _uuids(one)
        ]
        coded = [
            self._by_code[one["targetCode"]] for one in alignments if one.get("targetCode") in self._by_code
        ]
        for found in ([one for one in linked if one in self._stored], of_case, coded):
            if found:
                return found[0]
        self.unknown += bool(alignments)
        return None


def _alignments(achievement: dict[str, Any]) -> list[dict[str, Any]]:
    value = achievement.get("alignment")
    found = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
    return [{**one, "targetCode": str(one.get("targetCode"))} for one in found]


def _uuids(alignment: dict[str, Any]) -> list[str]:
    """The UUIDs of items in a link, the last one first."""
    texts = [alignment.get("targetUrl"), alignment.get("targetCode")]
    return [one.lower() for text in texts if isinstance(text, str) for one in reversed(_UUID.findall(text))]


def _opened(value: Any) -> dict[str, Any] | None:
    """A credential, out of a JWT too, whose signature is not looked at; None where it is none."""
    if isinstance(value, str) and value.count(".") == 2:
        payload = value.split(".")[1]
        try:
            value = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (ValueError, RecursionError):
            return None
        if isinstance(value, dict) and isinstance(value.get("vc"), dict):
            value = value["vc"]
    if not isinstance(value, dict):
        return None
    is_list = any(isinstance(value.get(name), list) for name in ("revokedCredential", "revokedCredentials"))
    return value if is_list or "credentialSubject" in value else None


def _id_of(kind: str, name: str) -> str:
    """The id of a row: the UUID that the thing's id is, else one that is made of it."""
    return as_uuid(name.lower().removeprefix("urn:uuid:")) or derived_id("clr", kind, name)


def _time(thing: dict[str, Any], names: tuple[str, ...]) -> datetime | None:
    value = next((thing[name] for name in names if thing.get(name)), None)
    return None if value is None else as_datetime(instant(value)[0])


def _is_storable(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_storable, value.values()))
    if isinstance(value, list):
        return all(map(_is_storable, value))
    return not isinstance(value, str) or storable(value)
