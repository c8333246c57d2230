"""What a dbt project of somebody else's needs to build on the published datasets: sources, tests, macros."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from timeback_analytics.catalog.manifest import joins_of, published_models
from timeback_analytics.errors import TimebackError

SOURCE = "timeback"
_MARK = "Written by `timeback consumer`"


# MetricFlow asks every project with a semantic model for one
_TIME_SPINE = {
    "version": 2,
    "models": [
        {
            "name": "timeback__days",
            "description": "A row for each day, for MetricFlow.",
            "time_spine": {"standard_granularity_column": "day"},
            "columns": [{"name": "day", "description": "The day.", "granularity": "day"}],
        }
    ],
}
_DAYS = f"""-- {_MARK}.
select cast(listed.day as date) as day
from generate_series(date '2015-01-01', date '2040-12-31', interval '1 day') as listed (day)
"""


class _Dumper(yaml.SafeDumper):
    """Lists indented and no anchors, as dbt users write them."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def write_consumer(
    manifest: Mapping[str, Any],
    columns_macro: str,
    folder: Path,
    schema: str,
    semantic: Sequence[str] = (),
) -> list[Path]:
    """Write into a dbt project what it needs; gives the files.

    Args:
        manifest: dbt's, of this project.
        columns_macro: the text of our postgres__get_columns_in_relation.
        folder: the folder of the other project's dbt_project.yml.
        schema: the published schema.
        semantic: datasets that get a view and a semantic model, for MetricFlow and Cube.

    Raises:
        TimebackError: the folder is not a dbt project, or has such a file of its own; nothing was written.
    """
    if not (folder / "dbt_project.yml").is_file():
        raise TimebackError(f"{folder} is not a dbt project: there is no dbt_project.yml in it.")
    nodes = {node["name"]: node for node in published_models(manifest)}
    if unknown := sorted(set(semantic) - nodes.keys()):
        raise TimebackError(f"No dataset is called {', '.join(unknown)}.")
    files = {
        "models/timeback/_timeback__sources.yml": _yaml(sources_of(nodes.values(), schema)),
        "macros/timeback/get_columns_in_relation.sql": f"{{#- {_MARK}: for unit tests on uuid[]. -#}}\n"
        + columns_macro,
        "macros/timeback/tests.sql": f"{{#- {_MARK}. -#}}\n"
        + resources.files(__package__).joinpath("consumer_tests.sql.jinja").read_text(encoding="utf-8"),
    }
    if semantic:
        files["models/timeback/_timeback__semantic.yml"] = _yaml(
            semantics_of([nodes[name] for name in semantic])
        )
        if not _has_time_spine(folder):
            files["models/timeback/_timeback__days.yml"] = _yaml(_TIME_SPINE)
            files["models/timeback/timeback__days.sql"] = _DAYS
        for name in semantic:
            files[f"models/timeback/timeback__{name}.sql"] = _view_of(nodes[name])
    own = [
        name
        for name in files
        if (folder / name).exists() and _MARK not in (folder / name).read_text(encoding="utf-8")
    ]
    if own:
        raise TimebackError(f"{', '.join(own)} in {folder} is the project's own. Nothing was written.")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _has_time_spine(folder: Path) -> bool:
    """Whether the project has a time spine of its own."""
    return any(
        "time_spine:" in path.read_text(encoding="utf-8", errors="replace")
        for ending in ("yml", "yaml")
        for path in (folder / "models").rglob(f"*.{ending}")
        if not path.name.startswith("_timeback__")
    )


def sources_of(nodes: Iterable[Mapping[str, Any]], schema: str) -> dict[str, Any]:
    """The published datasets as a dbt source, with descriptions, types, keys and tests."""
    return {
        "version": 2,
        "sources": [
            {
                "name": SOURCE,
                "description": "The TimeBack analytics catalog: its published datasets, one view each.",
                "schema": schema,
                "tables": [_table_of(node) for node in sorted(nodes, key=lambda node: node["name"])],
            }
        ],
    }


def _table_of(node: Mapping[str, Any]) -> dict[str, Any]:
    meta = node["config"]["meta"]
    grain = meta.get("grain", [])
    tests: list[Any] = []
    if len(grain) > 1:
        tests.append({"timeback_unique_grain": {"arguments": {"columns": grain}}})
    if node["name"] == "students":
        tests.append("timeback_rows_are_visible")
    table = {"name": node["name"], "identifier": node["alias"], "description": node["description"].strip()}
    kept = {name: meta[name] for name in ("grain", "scope", "joins") if meta.get(name)}
    return {
        **table,
        "config": {"meta": kept},
        **({"data_tests": tests} if tests else {}),
        "columns": [_column_of(column, node) for column in node["columns"].values()],
    }


def _column_of(column: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    meta = node["config"]["meta"]
    grain = meta.get("grain", [])
    name = column["name"]
    tests: list[Any] = []
    if name in grain:
        tests.append("not_null")
        if len(grain) == 1:
            tests.append("unique")
    joined = joins_of(node).get(name, ())
    if len(joined) == 1:
        dataset, field = joined[0].split(".")
        arguments = {"to": f"source('{SOURCE}', '{dataset}')", "field": field}
        tests.append({"relationships": {"arguments": arguments, "config": {"severity": "warn"}}})
    described = {"name": name, "data_type": column["data_type"], "description": column["description"].strip()}
    return {
        **described,
        # what cube_dbt takes for a cube's key
        **({"config": {"tags": ["primary_key"], "meta": {"primary_key": True}}} if name in grain else {}),
        **({"data_tests": tests} if tests else {}),
    }


def semantics_of(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Models and semantic models over datasets: entities out of their grain and their joins."""
    return {
        "version": 2,
        "models": [
            {
                "name": f"timeback__{node['name']}",
                "description": node["description"].strip(),
                "columns": [
                    {
                        "name": name,
                        "description": column["description"].strip(),
                        **(
                            {"config": {"tags": ["primary_key"]}}
                            if name in node["config"]["meta"]["grain"]
                            else {}
                        ),
                    }
                    for name, column in node["columns"].items()
                ],
            }
            for node in nodes
        ],
        "semantic_models": [
            {
                "name": f"timeback__{node['name']}",
                "model": f"ref('timeback__{node['name']}')",
                "entities": list(_entities_of(node)),
                "dimensions": [
                    {"name": name, "type": "categorical"}
                    for name, column in node["columns"].items()
                    if column["data_type"] in ("text", "citext", "boolean", "bool")
                    and name not in node["config"]["meta"]["grain"]
                ],
            }
            for node in nodes
        ],
    }


def _entities_of(node: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    meta = node["config"]["meta"]
    grain = meta["grain"]
    parts = [f"coalesce(cast({name} as text), '')" for name in grain]
    expression = grain[0] if len(grain) == 1 else " || '|' || ".join(parts)
    yield {"name": node["name"], "type": "primary", "expr": expression}
    for column, joined in joins_of(node).items():
        dataset, field = joined[0].split(".") if len(joined) == 1 else ("", "")
        if field == "id" and grain != [column]:
            yield {"name": f"{column}_of_{dataset}", "type": "foreign", "expr": column}


def _view_of(node: Mapping[str, Any]) -> str:
    columns = ",\n    ".join(node["columns"])
    return (
        f"-- {_MARK}. A view of the dataset: its readers see their own organizations.\n"
        f"{{{{ config(materialized='view') }}}}\n\nselect\n    {columns}\n"
        f"from {{{{ source('{SOURCE}', '{node['name']}') }}}}\n"
    )


def _yaml(data: Mapping[str, Any]) -> str:
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return f"# {_MARK}, and again by it; changes by hand are lost.\n{text}"
