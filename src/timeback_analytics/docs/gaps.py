"""What a dataset's page needs and the project does not say."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from timeback_analytics.catalog.manifest import joins_of


def gaps(nodes: list[dict[str, Any]], docs: Mapping[str, str], personal: Collection[str]) -> Iterator[str]:
    """What is missing or wrong in the datasets' YAML, a line each.

    Args:
        nodes: the manifest's nodes of the datasets.
        docs: its doc blocks, by name.
        personal: what config.meta.pii may say.
    """
    columns = {f"{node['name']}.{column}" for node in nodes for column in node["columns"]}
    if "__overview__" not in docs:
        yield "there is no doc block __overview__"
    for node in sorted(nodes, key=lambda node: node["name"]):
        name, meta = node["name"], node["config"]["meta"]
        if not node["description"].strip():
            yield f"{name}: no description"
        if not str(meta.get("label") or "").strip():
            yield f"{name}: no config.meta.label"
        if not str(meta.get("example_query") or "").strip():
            yield f"{name}: no config.meta.example_query"
        if f"domain_{meta.get('domain')}" not in docs:
            yield f"{name}: there is no doc block domain_{meta.get('domain')} for its config.meta.domain"
        for key in ("invariants", "rules", "traps"):
            if not all(isinstance(text, str) for text in meta.get(key, [])):
                yield f"{name}: config.meta.{key} has an entry that is not text; a colon in it wants quotes"
        for column, targets in joins_of(node).items():
            for target in targets:
                if f"{name}.{column}" not in columns or target not in columns:
                    yield f"{name}: config.meta.joins ties {column} to {target}; one of them does not exist"
        for column in node["columns"].values():
            if not column["description"].strip():
                yield f"{name}.{column['name']}: no description"
            if column["config"]["meta"].get("pii", "none") not in personal:
                yield f"{name}.{column['name']}: config.meta.pii is not one of {', '.join(personal)}"
            if not column["data_type"]:
                yield f"{name}.{column['name']}: no data_type"


def lineage_gaps(
    nodes: list[dict[str, Any]], lineage: Mapping[str, Mapping[str, list[str]]]
) -> Iterator[str]:
    """Where the lineage file is another project's, or at odds with a documented origin, a line each."""
    for node in sorted(nodes, key=lambda node: node["name"]):
        name = node["name"]
        if list(node["columns"]) != list(lineage.get(name, {})):
            yield f"{name}: lineage.json knows other columns of it; `timeback lineage` writes it again"
            continue
        for column in node["columns"].values():
            for origin in column["config"]["meta"].get("origin", ()):
                if origin not in lineage[name][column["name"]]:
                    yield f"{name}.{column['name']}: its SQL does not read its documented origin {origin}"
