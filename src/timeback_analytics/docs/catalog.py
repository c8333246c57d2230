"""What dbt's manifest and the lineage file say about the published datasets, in the words of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from timeback_analytics.catalog.manifest import joins_of, published_models
from timeback_analytics.catalog.names import SCOPE_SETTING
from timeback_analytics.docs.gaps import gaps, lineage_gaps
from timeback_analytics.errors import TimebackError
from timeback_analytics.metrics import Metric, read_metrics
from timeback_analytics.quicksight.dashboards import Dashboard, read_dashboards
from timeback_analytics.quicksight.metrics import read_metrics as read_quicksight_metrics
from timeback_analytics.quicksight.relations import read_relations

PROJECT = "timeback_analytics"

Lineage = Mapping[str, Mapping[str, list[str]]]
"""{dataset: {column: [table.column, ...]}}"""

PERSONAL = {
    "identifier": "Stands for one person, session or family, and leads to all else that is known of them",
    "directory": "Of the kind that FERPA lets a school designate as directory information",
    "education_record": "About one student's learning or behaviour: an education record",
    "staff": "About an employee: personal, but no education record",
    "aggregate": "A total over many people; of a small school it may still point to one",
    "none": "Read from a table that holds people, and about none of them",
}
"""What config.meta.pii of a column may say, and what each means."""


@dataclass(frozen=True)
class Column:
    """One published column."""

    name: str
    data_type: str
    description: str
    never_null: bool
    null_when: str
    unit: str
    example: str
    values: tuple[str, ...]
    origin: tuple[str, ...]
    """The operational columns that its values are documented to come from, as table.column."""
    lineage: tuple[str, ...]
    """All that its SQL reads for it, as table.column: those of origin first."""
    leads_to: tuple[str, ...]
    """The columns that it joins with, as dataset.column."""
    in_grain: bool
    pii: str
    """What it tells of a person: a key of PERSONAL; empty where nothing is read from personal tables."""
    synonyms: tuple[str, ...]
    """Words that others use for it."""

    @property
    def read_for_it(self) -> tuple[str, ...]:
        """What the SQL reads beside the origin: conditions, orders, what a join makes equal."""
        return tuple(source for source in self.lineage if source not in self.origin)


@dataclass(frozen=True)
class Owner:
    """Who answers for a dataset."""

    name: str
    email: str


@dataclass(frozen=True)
class Dataset:
    """One published dataset."""

    name: str
    unique_id: str
    domain: str
    label: str
    """What it has, in a few words."""
    description: str
    grain: tuple[str, ...]
    scope: str
    """Whose organizations a row is shown under: a column, or words; empty where everybody sees every row."""
    scope_setting: str
    """The session setting that says which organizations; empty where there is no scope."""
    scope_when: str
    """The dbt var that scopes this dataset, where it is not scoped by default."""
    invariants: tuple[str, ...]
    rules: tuple[str, ...]
    traps: tuple[str, ...]
    example_query: str
    columns: tuple[Column, ...]
    deprecated_from: str
    replaced_by: str
    synonyms: tuple[str, ...]
    owner: Owner

    @property
    def title(self) -> str:
        """Its name as a heading: student_guides is Student Guides."""
        return _title(self.name)

    @property
    def summary(self) -> str:
        """The first sentence of its description, or of what follows a deprecation."""
        return (
            re.split(r"(?<=[.:]) (?=[A-Z])|: one row|\n\n", self.description, maxsplit=1)[0].rstrip(".:")
            + "."
        )

    @property
    def joins(self) -> list[tuple[Column, str, str]]:
        """(column, dataset, column of it) for each documented join."""
        return [(column, *target.split(".")) for column in self.columns for target in column.leads_to]


@dataclass(frozen=True)
class Domain:
    """A group of datasets."""

    name: str
    title: str
    description: str
    datasets: tuple[Dataset, ...]


@dataclass(frozen=True)
class Question:
    """A worked question: one of dbt's analyses."""

    name: str
    title: str
    answer: str
    query: str
    datasets: tuple[str, ...]
    synonyms: tuple[str, ...]
    chart: Mapping[str, Any]
    """How its answer is drawn: a Vega-Lite chart without data, and `alt`, what it shows; empty for none."""


@dataclass(frozen=True)
class Consumer:
    """A kind of consumer: one of dbt's exposures."""

    name: str
    title: str
    kind: str
    description: str
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class Catalog:
    """Everything that the pages are made of."""

    overview: str
    schema: str
    domains: tuple[Domain, ...]
    questions: tuple[Question, ...]
    metrics: tuple[Metric, ...]
    dashboards: tuple[Dashboard, ...]
    consumers: tuple[Consumer, ...]
    sources: dict[str, dict[str, str]] = field(repr=False)
    """Description of each column of each operational table; of the table itself under an empty name."""
    personal_sources: frozenset[str]
    """The operational tables whose rows are about persons."""
    stored: bool
    """Whether heavy facts are stored, and read as of the last run."""
    made_at: str
    """When dbt read the project, as it says it: 2026-11-28T13:00:00Z."""

    @property
    def has_roar(self) -> bool:
        """Whether the reading assessment is part of the catalog."""
        return any(domain.name == "roar" for domain in self.domains)

    @cached_property
    def datasets(self) -> dict[str, Dataset]:
        """Every dataset by name, in the order of the domains."""
        return {dataset.name: dataset for domain in self.domains for dataset in domain.datasets}

    def led_here(self, name: str) -> list[tuple[Dataset, Column, str]]:
        """(dataset, its column, column of the named one) for each join that leads to the named dataset."""
        return [
            (dataset, column, target_column)
            for dataset in self.datasets.values()
            for column, target, target_column in dataset.joins
            if target == name
        ]

    def used_by(self, table: str) -> dict[str, list[tuple[Dataset, Column, bool]]]:
        """Columns of an operational table -> the published columns that its SQL reads them for.

        The third is whether the value comes from it; it is only read for the value otherwise.
        """
        users: dict[str, list[tuple[Dataset, Column, bool]]] = {}
        for dataset in self.datasets.values():
            for column in dataset.columns:
                for source in column.lineage:
                    from_table, _, from_column = source.partition(".")
                    if from_table == table:
                        users.setdefault(from_column, []).append((dataset, column, source in column.origin))
        return users


def read_catalog(
    manifest: Mapping[str, Any], lineage: Lineage, semantic_manifest: Mapping[str, Any]
) -> Catalog:
    """The catalog that a manifest, parsed or compiled, describes.

    Args:
        manifest: dbt's manifest.json.
        lineage: what `timeback lineage` found in the same manifest.
        semantic_manifest: dbt's semantic_manifest.json, for visuals of dashboards that show a metric.

    Raises:
        TimebackError: something is missing that every dataset's page needs, such as an example query, a
            join leads nowhere, the lineage is another project's, or a dashboard names what is not there.
            All that is wrong is named.
    """
    docs = {
        doc["name"]: doc["block_contents"]
        for doc in manifest["docs"].values()
        if doc["package_name"] == PROJECT
    }
    nodes = published_models(manifest)
    problems = [*gaps(nodes, docs, PERSONAL), *lineage_gaps(nodes, lineage)]
    if problems:
        raise TimebackError(
            "The documentation has gaps:\n" + "\n".join(f"  {problem}" for problem in problems)
        )
    owners = {
        group["name"]: Owner(group["owner"]["name"] or "", group["owner"]["email"] or "")
        for group in manifest["groups"].values()
    }
    datasets = sorted(
        (_dataset(node, lineage, owners[node["group"]]) for node in nodes), key=lambda dataset: dataset.name
    )
    schema = nodes[0]["schema"]
    return Catalog(
        overview=docs["__overview__"].replace("`analytics`", f"`{schema}`"),
        schema=schema,
        domains=tuple(_domains(datasets, docs)),
        questions=tuple(_questions(manifest)),
        metrics=tuple(_in_schema(metric, schema) for metric in read_metrics(manifest)),
        dashboards=_dashboards(manifest, semantic_manifest),
        consumers=tuple(_consumers(manifest)),
        sources=_source_descriptions(manifest),
        personal_sources=frozenset(
            source["name"]
            for source in manifest["sources"].values()
            if source["config"]["meta"].get("personal")
        ),
        stored=any(
            node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
            for node in manifest["nodes"].values()
        ),
        made_at=manifest["metadata"]["generated_at"][:19] + "Z",
    )


def _domains(datasets: list[Dataset], docs: Mapping[str, str]) -> Iterator[Domain]:
    """The domains that have a dataset, in the order of their doc blocks."""
    for name in (block.removeprefix("domain_") for block in docs if block.startswith("domain_")):
        of_domain = tuple(dataset for dataset in datasets if dataset.domain == name)
        if of_domain:
            yield Domain(name, *_heading(docs[f"domain_{name}"]), of_domain)


def _source_descriptions(manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """{table: {column: description}}; the table's own description has the key ""."""
    return {
        source["name"]: {"": source["description"]}
        | {name: column["description"] for name, column in source["columns"].items()}
        for source in sorted(manifest["sources"].values(), key=lambda source: source["name"])
    }


def _dataset(node: Mapping[str, Any], lineage: Lineage, owner: Owner) -> Dataset:
    meta = node["config"]["meta"]
    grain = tuple(meta.get("grain", ()))
    joins = joins_of(node)
    return Dataset(
        name=node["name"],
        unique_id=node["unique_id"],
        domain=meta["domain"],
        label=meta["label"],
        description=node["description"].strip(),
        grain=grain,
        scope=meta.get("scope") or "",
        scope_setting=(meta.get("scope_setting") or SCOPE_SETTING) if meta.get("scope") else "",
        scope_when=meta.get("scope_when") or "",
        invariants=tuple(meta.get("invariants", ())),
        rules=tuple(meta.get("rules", ())),
        traps=tuple(meta.get("traps", ())),
        example_query=meta["example_query"].strip(),
        columns=tuple(
            Column(
                name=column["name"],
                data_type=column["data_type"],
                description=column["description"].strip(),
                never_null=any(constraint["type"] == "not_null" for constraint in column["constraints"]),
                null_when=column["config"]["meta"].get("null_when") or "",
                unit=column["config"]["meta"].get("unit") or "",
                example=_shown(column["config"]["meta"].get("example")),
                values=tuple(_shown(value) for value in _listed(column["config"]["meta"].get("values", []))),
                origin=tuple(column["config"]["meta"].get("origin", ())),
                lineage=tuple(
                    dict.fromkeys(
                        [*column["config"]["meta"].get("origin", ()), *lineage[node["name"]][column["name"]]]
                    )
                ),
                leads_to=joins.get(column["name"], ()),
                in_grain=column["name"] in grain,
                pii=column["config"]["meta"].get("pii") or "",
                synonyms=tuple(column["config"]["meta"].get("synonyms", ())),
            )
            for column in node["columns"].values()
        ),
        deprecated_from=str(node["deprecation_date"] or "")[:10],
        replaced_by=meta.get("replaced_by") or "",
        synonyms=tuple(meta.get("synonyms", ())),
        owner=owner,
    )


def _listed(value: Any) -> list[Any]:
    """A list as it is, anything else as a list of one."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _questions(manifest: Mapping[str, Any]) -> Iterator[Question]:
    analyses = (node for node in manifest["nodes"].values() if node["resource_type"] == "analysis")
    models = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    published = {node["name"] for node in published_models(manifest)}

    def relation(ref: re.Match[str]) -> str:
        return f"{models[ref[1]]['schema']}.{ref[1]}"

    for node in sorted(analyses, key=lambda node: node["original_file_path"]):
        yield Question(
            name=node["name"],
            title=node["config"]["meta"]["question"],
            answer=node["description"].strip(),
            query=re.sub(r"\{\{\s*ref\('(\w+)'\)\s*\}\}", relation, node["raw_code"]).strip(),
            datasets=tuple(dict.fromkeys(ref["name"] for ref in node["refs"] if ref["name"] in published)),
            synonyms=tuple(node["config"]["meta"].get("synonyms", ())),
            chart=node["config"]["meta"].get("chart") or {},
        )


def _in_schema(metric: Metric, schema: str) -> Metric:
    """A metric whose queries name the published schema."""

    def named(query: str) -> str:
        return re.sub(r"\banalytics\.(?=\w)", f"{schema}.", query)

    breakdown = replace(metric.breakdown, sql=named(metric.breakdown.sql))
    return replace(metric, sql=named(metric.sql), breakdown=breakdown)


def _dashboards(manifest: Mapping[str, Any], semantic_manifest: Mapping[str, Any]) -> tuple[Dashboard, ...]:
    relations = read_relations(manifest)
    metrics, _ = read_quicksight_metrics(semantic_manifest, relations)
    _, dashboards = read_dashboards(relations, metrics)
    return tuple(dashboards)


def _consumers(manifest: Mapping[str, Any]) -> Iterator[Consumer]:
    for exposure in sorted(manifest["exposures"].values(), key=lambda exposure: exposure["name"]):
        yield Consumer(
            name=exposure["name"],
            title=exposure["label"] or _title(exposure["name"]),
            kind=exposure["type"],
            description=exposure["description"].strip(),
            datasets=tuple(dict.fromkeys(ref["name"] for ref in exposure["refs"])),
        )


def _heading(text: str) -> tuple[str, str]:
    """(heading, what follows) of a text whose first line is a heading."""
    first, _, rest = text.strip().partition("\n")
    return first.lstrip("# ").strip(), rest.strip()


def _title(name: str) -> str:
    return " ".join(
        {"xp": "XP", "case": "CASE", "roar": "ROAR"}.get(word, word.capitalize()) for word in name.split("_")
    )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
