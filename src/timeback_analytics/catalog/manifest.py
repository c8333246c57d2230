"""What dbt's manifest says of the catalog: which models are published, and which of them are scoped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timeback_analytics.artifacts import read_json


def read_manifest(path: Path) -> dict[str, Any]:
    """dbt's manifest.json.

    Raises:
        TimebackError: there is none, or it is not JSON.
    """
    return read_json(path, "dbt compile")


def published_models(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The nodes of the datasets, by name: the models of models/datasets, which alone are published.

    That these, and no others, have public access and lie in the published schema is checked by dbt-bouncer
    and, in a live catalog, by `timeback audit`.
    """
    nodes = manifest["nodes"].values()
    return sorted(
        (node for node in nodes if node["resource_type"] == "model" and "datasets" in node["fqn"]),
        key=lambda node: node["name"],
    )


def may_be_scoped(dataset: Mapping[str, Any]) -> bool:
    """Whether a dataset's rows depend on who asks: always, or where a dbt var says so.

    Args:
        dataset: its node in dbt's manifest.
    """
    return not {"scope", "scope_when"}.isdisjoint(dataset["config"]["meta"])


def joins_of(dataset: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The documented joins of a dataset: column -> what it leads to, as dataset.column; one, or several.

    Args:
        dataset: its node in dbt's manifest.
    """
    given = dataset["config"]["meta"].get("joins") or {}
    return {
        column: (targets,) if isinstance(targets, str) else tuple(targets)
        for column, targets in given.items()
    }


def models_behind(dataset: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The models whose rows a scoped dataset scopes, one as a rule.

    They are those that it reads beside the models that say who is asking and who belongs where, whose
    config.meta has decides_scope, and beside another form of the same rows (same_rows_as). The macro
    models_behind_scoped_datasets is the same inside dbt.

    Args:
        dataset: the dataset's node in dbt's manifest.
        manifest: dbt's manifest.

    Returns:
        Nodes of the manifest.
    """
    read = (manifest["nodes"][unique_id] for unique_id in dataset["depends_on"]["nodes"])
    return [model for model in read if not {"decides_scope", "same_rows_as"} & model["config"]["meta"].keys()]
