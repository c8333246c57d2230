"""What the documentation says of the datasets, out of dbt's manifest, and which columns identify somebody."""

import re
from typing import Any

from timeback_analytics.catalog.manifest import joins_of

OF_OTHERS = {
    ("student_guides", "guide_id"): "a student's guide is shown to everybody who sees the student",
    ("student_guides", "guide_name"): "as guide_id",
}
"""Columns of scoped datasets that show a person who may be of another organization, and why they may."""

_PERSON_ORIGIN = re.compile(
    r"one_roster_user\.(id|given_name|middle_name|family_name|username|email|identifier)$"
    r"|\.(user_id|student_id|assignee_id|source_user_id|agent_user_id|credential_subject_id|actor_id)$"
)


def documented_columns(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each documented column of each dataset, as the relation `documented` has it."""
    rows = []
    datasets = [
        node
        for node in manifest.get("nodes", {}).values()
        if node["resource_type"] == "model" and node["config"].get("schema") in (None, "", "bi", "metrics")
    ]
    keys = _keys_of_persons(datasets)
    for node in datasets:
        scope = node["config"]["meta"].get("scope")
        for column in node["columns"].values():
            rows.append(
                {
                    "dataset": node["alias"],
                    "column_name": column["name"],
                    "is_scoped": bool(scope),
                    "shows_other": bool(scope) and _shows_other(node, column["name"], keys),
                }
            )
    return rows


def _keys_of_persons(datasets: list[dict[str, Any]]) -> set[str]:
    """dataset.column of each key of persons: the grain of a dataset that is scoped by just that column."""
    return {
        f"{node['name']}.{meta['scope']}"
        for node in datasets
        if (meta := node["config"]["meta"]).get("scope") and meta.get("grain") == [meta["scope"]]
    }


def _shows_other(node: dict[str, Any], column: str, keys: set[str]) -> bool:
    """Whether a column of a scoped dataset identifies somebody who need not be the scope's person.

    Every value of ROAR's has the same origin, a document, so that its joins alone tell of persons.
    """
    meta = node["config"]["meta"]
    origins = node["columns"][column]["config"]["meta"].get("origin", [])
    joined = joins_of(node).get(column, ())
    if not (keys.intersection(joined) or any(_PERSON_ORIGIN.search(origin) for origin in origins)):
        return False
    prefix = meta["scope"].removesuffix("id")
    of_scope = {meta["scope"], f"{prefix}name", f"{prefix}email"}
    return column not in of_scope and (node["name"], column) not in OF_OTHERS
