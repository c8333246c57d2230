"""What the search finds: guides, questions, metrics, dashboards, domains, datasets, columns and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from timeback_analytics.docs.catalog import Catalog, Dataset
from timeback_analytics.docs.guides import Guide
from timeback_analytics.docs.markdown import anchor, plain, sections

Entry = dict[str, str]
"""title, kind, url, text, and synonyms: other words for it, which are searched and not shown."""


def search_index(catalog: Catalog, guides: Sequence[Guide]) -> list[Entry]:
    """All entries, in the order of the navigation."""
    return [
        *_pages(catalog, guides),
        *(
            _entry(
                question.title,
                "question",
                f"questions.html#{question.name}",
                question.answer,
                question.synonyms,
            )
            for question in catalog.questions
        ),
        *(
            _entry(
                metric.label,
                "metric",
                f"metrics/{metric.name}.html",
                " ".join([metric.description, *metric.traps]),
                (*metric.synonyms, metric.name, "metric", "KPI"),
            )
            for metric in catalog.metrics
        ),
        *(
            _entry(
                f"Dashboard: {dashboard.title}",
                "dashboard",
                f"dashboards.html#{dashboard.name}",
                " ".join([dashboard.description, *(f"{visual.title}." for visual in dashboard.visuals)]),
                ("report", "overview of a school"),
            )
            for dashboard in catalog.dashboards
        ),
        *_datasets(catalog),
        *(
            _entry(consumer.title, "consumer", f"index.html#consumer-{consumer.name}", consumer.description)
            for consumer in catalog.consumers
        ),
        *(
            _entry(table, "source", f"lineage.html#{table}", columns[""])
            for table, columns in catalog.sources.items()
        ),
    ]


def _pages(catalog: Catalog, guides: Sequence[Guide]) -> Iterator[Entry]:
    for heading, text in sections(catalog.overview):
        yield _entry(heading, "guide", f"index.html#{anchor(heading)}", text)
    for guide in guides:
        url = f"guides/{guide.name}.html"
        yield _entry(guide.title, "guide", url, guide.summary, guide.synonyms)
        for heading, text in sections(guide.text):
            yield _entry(f"{guide.title}: {heading}", "guide", f"{url}#{anchor(heading)}", text)
    yield _entry(
        "Personal data",
        "guide",
        "personal-data.html",
        "Which columns tell of a person, of what kind each is, and who may see it.",
        ("privacy", "PII", "FERPA", "GDPR", "COPPA", "confidential", "sensitive", "data protection"),
    )
    yield _entry(
        "Diagrams",
        "guide",
        "diagram.html",
        "How the datasets join, at a glance.",
        ("ERD", "entity relationship", "schema", "map", "data model", "join"),
    )
    yield _entry(
        "Lineage",
        "guide",
        "lineage.html",
        "From the operational tables to the published columns.",
        ("provenance", "origin", "where does it come from", "upstream", "source"),
    )


def _datasets(catalog: Catalog) -> Iterator[Entry]:
    for domain in catalog.domains:
        yield _entry(domain.title, "domain", f"domains/{domain.name}.html", domain.description)
        for dataset in domain.datasets:
            yield _dataset(dataset)
            for column in dataset.columns:
                yield _entry(
                    f"{dataset.name}.{column.name}",
                    "column",
                    f"datasets/{dataset.name}.html#column-{column.name}",
                    " ".join([column.description, column.unit, *column.values]),
                    column.synonyms,
                )


def _dataset(dataset: Dataset) -> Entry:
    text = "\n\n".join([dataset.description, *dataset.traps, *dataset.rules])
    return _entry(dataset.name, "dataset", f"datasets/{dataset.name}.html", text, dataset.synonyms)


def _entry(title: str, kind: str, url: str, text: str, synonyms: Sequence[str] = ()) -> Entry:
    return {
        "title": plain(title) if kind == "guide" else title,
        "kind": kind,
        "url": url,
        "text": plain(text),
        "synonyms": ", ".join(synonyms),
    }
