"""ROAR's datasets out of the documents, in plain Python.

Where a field stands is written down here once more, from the documentation and not from the SQL: mostly a
column's name in camel case.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FACTS_FILE = Path(__file__).parents[1] / "facts" / "roar.yml"

Document = tuple[str, Any, datetime]
"""Path, fields, and when it was written."""


@cache
def roar_facts() -> dict[str, dict[str, Any]]:
    """The documented facts of ROAR's datasets, in the form of datasets.yml."""
    return yaml.safe_load(FACTS_FILE.read_text(encoding="utf-8"))


PEOPLE = {
    "roar_users": "users",
    "roar_deleted_users": "deleted-users",
    "roar_user_claims": "users",
    "roar_user_runs": "users",
    "roar_user_trials": "users",
    "roar_guests": "guests",
    "roar_guest_runs": "guests",
    "roar_guest_trials": "guests",
}
"""Scoped dataset -> the collection with the documents of its people."""
MEMBERSHIPS = ("districts", "schools", "classes", "groups", "families")

_SNAKE = ("assessment_stage", "internal_node_id", "save_trial", "start_time", "start_time_unix")
_SNAKE += ("time_elapsed", "trial_index", "trial_type")
_PLURALS = {
    "class": "classes",
    "district": "districts",
    "family": "families",
    "group": "groups",
    "school": "schools",
}
_IRREGULAR = {
    ("roar_districts", "formatted_address"): ["address.formattedAddress"],
    ("roar_districts", "address_name"): ["address.name"],
    ("roar_districts", "google_maps_url"): ["address.googleMapsUrl"],
    ("roar_districts", "google_places_id"): ["address.googlePlacesId"],
    ("roar_districts", "address_components"): ["address.addressComponents"],
    ("roar_districts", "school_ids"): ["schools", "address.schools"],
    ("roar_schools", "class_ids"): ["classes"],
    ("roar_guests", "task_ids"): ["tasks"],
    ("roar_guests", "variant_ids"): ["variants"],
    ("roar_user_claims", "admin_uid"): ["claims.adminOrgs.adminUid", "claims.adminUid"],
    ("roar_user_claims", "assessment_uid"): ["claims.adminOrgs.assessmentUid", "claims.assessmentUid"],
    ("roar_user_claims", "roar_uid"): ["claims.minimalAdminOrgs.roarUid", "claims.roarUid"],
    ("roar_user_claims", "admin_orgs"): ["claims.adminOrgs"],
    ("roar_user_claims", "minimal_admin_orgs"): ["claims.minimalAdminOrgs"],
}


def places(dataset: str, column: str) -> list[str]:
    """Where a column's value may stand in a document, the first one first."""
    if (dataset, column) in _IRREGULAR:
        return _IRREGULAR[dataset, column]
    if found := re.fullmatch(r"(current|all)_(\w+)_ids", column):
        return [f"{_PLURALS[found[2]]}.{found[1]}"]
    if found := re.fullmatch(r"(practice|test)_(num|theta)_(\w+)", column):
        name = {"theta_se": "thetaSE"}.get(f"{found[2]}_{found[3]}", _camel(f"{found[2]}_{found[3]}"))
        return [f"scores.raw.composite.{found[1]}.{name}"]
    if column == "computed_composite":
        return ["scores.computed.composite"]
    if column == "num_afc":
        return ["numAFC"]
    if column in _SNAKE:
        return [column]
    in_params = dataset == "roar_variants" and column not in ("name", "last_updated", "params")
    return [("params." if in_params else "") + _camel(column)]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


# -- values -------------------------------------------------------------------------------------------


def value_at(data: Any, place: str) -> Any:
    """What stands at a dotted place; None where an object on the way is none or lacks it."""
    for name in place.split("."):
        if not isinstance(data, dict):
            return None
        data = data.get(name)
    return data


def typed(value: Any, type_: str) -> Any:
    """The value as a column of the type; None where it has another JSON type."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if type_ == "text":
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Decimal):
            # PostgreSQL knows no negative zero
            return format(value if value else abs(value), "f")
        return str(value) if is_number else _text(value)
    if type_ == "integer":
        fits = is_number and value == int(value) and -(2**31) <= value < 2**31
        return int(value) if fits else None
    if type_ == "numeric":
        return Decimal(value) if is_number else None
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    if type_ == "text[]":
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else None
    if type_ == "jsonb":
        return value if isinstance(value, dict | list) else None
    return _moment(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        return _iso(value)
    if isinstance(value, dict):
        seconds = value["seconds"] if "seconds" in value else value.get("_seconds")
        nanoseconds = value["nanoseconds"] if "nanoseconds" in value else value.get("_nanoseconds", 0)
        whole = [
            part
            for part in (seconds, nanoseconds)
            if isinstance(part, int | Decimal) and not isinstance(part, bool) and part == int(part)
        ]
        if len(whole) < 2 or not 0 <= nanoseconds < 10**9:
            return None
        moment = _unix(seconds)
        return moment and moment + timedelta(microseconds=int(nanoseconds) // 1000)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _unix(value)
    return None


def _unix(seconds: int | Decimal) -> datetime | None:
    if not -62135596800 <= seconds < 253402300800:
        return None
    return _EPOCH + timedelta(microseconds=round(Decimal(seconds) * 10**6))


def _iso(text: str) -> datetime | None:
    found = _ISO.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    offset = found[8] or "Z"
    shift = timedelta()
    if offset != "Z":
        digits = offset[1:].replace(":", "")
        hours, minutes = int(digits[:2]), int(digits[2:] or 0)
        if hours > 14 or minutes > 59:
            return None
        shift = timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(shift))
    except ValueError:
        return None
    # PostgreSQL rounds what is finer than a microsecond
    return moment + timedelta(microseconds=round(Decimal(f"0.{found[7] or 0}") * 10**6))


# -- datasets -----------------------------------------------------------------------------------------


def ids_of(dataset: str, path: str) -> dict[str, str] | None:
    """The ids that a path holds, where it is of this dataset."""
    patterns = [roar_facts()[dataset]["path"].partition(",")[0]]
    if dataset == "roar_variants":
        patterns.append("task/{task_id}/variants/{id}")
    for pattern in patterns:
        regex = "".join(
            f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{\w+\})", pattern)
        )
        if found := re.fullmatch(regex, path):
            return found.groupdict()
    return None


def current_organizations(documents: list[Document], collection: str) -> dict[str, frozenset[str]]:
    """Person -> organizations of today, of the people in a collection."""
    found = {}
    for path, data, _ in documents:
        parts = path.split("/")
        if len(parts) == 2 and parts[0] == collection:
            if collection == "guests":
                district = typed(value_at(data, "districtId"), "text")
                lists = [[district] if district is not None else []]
            else:
                lists = [typed(value_at(data, f"{kind}.current"), "text[]") or [] for kind in MEMBERSHIPS]
            found[parts[1]] = frozenset(item for items in lists for item in items)
    return found


def expected(dataset: str, documents: list[Document], allowed: frozenset[str] | None) -> list[dict[str, Any]]:
    """The rows of a dataset for a caller with these organizations; None is an unrestricted caller."""
    fact = roar_facts()[dataset]
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    written: dict[tuple[str, ...], tuple[datetime, str]] = {}
    for path, data, written_at in documents:
        ids = ids_of(dataset, path)
        if ids is None:
            continue
        row = dict(ids)
        for column, (_, type_, _) in fact["columns"].items():
            if column not in row and column not in ("org_ids", "duration_sec"):
                values = (typed(value_at(data, place), type_) for place in places(dataset, column))
                row[column] = next((value for value in values if value is not None), None)
        if "duration_sec" in fact["columns"]:
            row["duration_sec"] = _whole_seconds(row["time_started"], row["time_finished"])
        key = tuple(ids[name] for name in fact["grain"])
        # the newer of two spellings, then the one under `tasks`
        if key not in rows or (written_at, path) > written[key]:
            rows[key], written[key] = row, (written_at, path)
    if dataset not in PEOPLE:
        return list(rows.values())
    organizations = current_organizations(documents, PEOPLE[dataset])
    visible = []
    for row in rows.values():
        of_person = organizations.get(row[fact["scope"]], frozenset())
        shared = of_person if allowed is None else of_person & allowed
        if shared or allowed is None:
            visible.append({**row, "org_ids": frozenset(shared)})
    return visible


def _whole_seconds(started: datetime | None, finished: datetime | None) -> Decimal | None:
    if started is None or finished is None or finished < started:
        return None
    seconds = Decimal((finished - started) // timedelta(microseconds=1)) / 10**6
    return seconds.quantize(Decimal(1), rounding="ROUND_HALF_UP")
