"""What differs between wanted parameters and those in the account, without regard to the order of sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# Lists whose order says nothing, by what tells their entries apart.
KEYS = {
    "Permissions": ("Principal",),
    "Tags": ("Key",),
    "InputColumns": ("Name",),
    "Columns": ("Name", "ColumnName"),
    "CalculatedFields": ("Name", "CalculatedFieldName"),
    "DataSetIdentifierDeclarations": ("Identifier",),
    "DataSets": ("DatasetArn", "DataSetArn"),
    "ColumnMetadata": ("ColumnNames",),
}
SETS = ("Actions", "ProjectedColumns", "columns", "ColumnSynonyms", "FolderArns", "DataSetRelations")
# What the service adds to what it was given.
FILLED_IN = ("Id", "ColumnId", "SubType")


def differences(wanted: Any, there: Any, place: str = "", lenient: bool = False) -> list[str]:
    """Each difference in a line; empty where nothing would change.

    Args:
        wanted: parameters.
        there: the same part of the service's description.
        place: where this is, for the lines.
        lenient: pass over members that only the account has, because the service fills many in.
    """
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        found = []
        for name in sorted(wanted.keys() | there.keys()):
            inner = f"{place}.{name}".lstrip(".")
            if name not in there:
                if not _is_nothing(wanted[name]):
                    found.append(f"{inner}: {_shown(wanted[name])} is new")
            elif name not in wanted:
                if not (lenient or _is_nothing(there[name]) or name in FILLED_IN):
                    found.append(f"{inner}: {_shown(there[name])} goes")
            else:
                found += differences(wanted[name], there[name], inner, lenient)
        return found
    if isinstance(wanted, list | tuple) and isinstance(there, list | tuple):
        return _of_lists(wanted, there, place, lenient)
    if wanted == there or (_is_nothing(wanted) and _is_nothing(there)):
        return []
    return [f"{place}: {_shown(there)} becomes {_shown(wanted)}"]


def _of_lists(wanted: Sequence[Any], there: Sequence[Any], place: str, lenient: bool) -> list[str]:
    name = place.rpartition(".")[2]
    ours, theirs = _by_key(name, wanted), _by_key(name, there)
    if ours is not None and theirs is not None:
        # entries that only the account has are a difference, however lenient
        gone = sorted(theirs.keys() - ours.keys())
        found = [f"{place}.{key}: {_shown(theirs[key])} goes" for key in gone]
        return found + differences(
            ours, {key: one for key, one in theirs.items() if key in ours}, place, lenient
        )
    if name in SETS:
        wanted, there = sorted(wanted, key=_canonical), sorted(there, key=_canonical)
        if [*map(_canonical, wanted)] == [*map(_canonical, there)]:
            return []
        known, given = {*map(_canonical, there)}, {*map(_canonical, wanted)}
        return [f"{place}: {one} is new" for one in sorted(given - known)] + [
            f"{place}: {one} goes" for one in sorted(known - given)
        ]
    found = []
    for index, (one, other) in enumerate(zip(wanted, there, strict=False)):
        found += differences(one, other, f"{place}[{index}]", lenient)
    if len(wanted) != len(there):
        found.append(f"{place}: {len(there)} entries become {len(wanted)}")
    return found


def _by_key(name: str, entries: Sequence[Any]) -> dict[str, Any] | None:
    for key in KEYS.get(name, ()):
        if all(isinstance(entry, Mapping) and key in entry for entry in entries):
            made = {str(entry[key]): entry for entry in entries}
            return made if len(made) == len(entries) else None
    return None


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _is_nothing(value: Any) -> bool:
    """Whether the service may say it or leave it out alike."""
    if isinstance(value, Mapping):
        return all(_is_nothing(inner) for inner in value.values())
    return value is None or value is False or value in ("", [], ())


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else _canonical(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
