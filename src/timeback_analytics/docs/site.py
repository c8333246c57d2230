"""Write the site: pages from the templates, the search's index, and dbt's own documentation beside them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from timeback_analytics.docs import diagrams
from timeback_analytics.docs.catalog import PERSONAL, Catalog, Column, Dataset
from timeback_analytics.docs.charts import chart_of_metric, draw
from timeback_analytics.docs.dashboards import shown
from timeback_analytics.docs.facts import Facts
from timeback_analytics.docs.guides import Guide, read_guides
from timeback_analytics.docs.markdown import Markdown, code
from timeback_analytics.docs.search import search_index
from timeback_analytics.errors import TimebackError


def build_site(
    catalog: Catalog, folder: Path, *, facts: Facts | None = None, dbt_docs: Path | None = None
) -> int:
    """Write the site to a folder, in place of the site that it holds.

    Args:
        catalog: what dbt's manifest and the lineage file say.
        folder: made when missing; refused when it holds something that is not a site.
        facts: what was read from the database; without it the pages show no rows and no charts.
        dbt_docs: dbt's own documentation, in one file; without it the pages do not link there.

    Returns:
        The number of pages.

    Raises:
        TimebackError: the folder is somebody else's, or a chart cannot be drawn.
    """
    facts = facts or Facts()
    guides = read_guides(catalog.schema)
    pages = _Pages(catalog, guides, facts, has_dbt_docs=dbt_docs is not None).render()
    charts = _charts(catalog, facts)
    if folder.exists():
        if any(folder.iterdir()) and not (folder / "search-index.js").is_file():
            raise TimebackError(
                f"{folder} holds something else than the site. Name another folder with --output."
            )
        shutil.rmtree(folder)
    _copy_assets(folder / "assets")
    if dbt_docs:
        (folder / "dbt").mkdir()
        shutil.copyfile(dbt_docs, folder / "dbt" / "index.html")
    for path, text in {**pages, **{f"charts/{name}": svg for name, svg in charts.items()}}.items():
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    index = json.dumps(search_index(catalog, guides), ensure_ascii=False, separators=(",", ":"))
    (folder / "search-index.js").write_text(f"window.SEARCH_INDEX={index};\n", encoding="utf-8")
    return len(pages)


def _charts(catalog: Catalog, facts: Facts) -> dict[str, str]:
    """File name -> chart, of the questions, metrics and visuals that have rows to draw."""
    drawn = {
        question.name: (question.chart, facts.answers[question.name])
        for question in catalog.questions
        if facts.answers.get(question.name)
    } | {
        f"metric-{metric.name}": (chart_of_metric(metric), facts.breakdowns[metric.name])
        for metric in catalog.metrics
        if facts.breakdowns.get(metric.name)
    }
    for dashboard in catalog.dashboards:
        for one in shown(dashboard, facts.dashboards):
            if one.chart:
                drawn[f"dashboard-{one.anchor}"] = (one.chart, one.rows)
    return {
        f"{name}-{theme}.svg": svg
        for name, (chart, rows) in drawn.items()
        for theme, svg in draw(name, chart, rows).items()
    }


def _copy_assets(folder: Path) -> None:
    """The files that pages load. Pages on disk cannot load JavaScript modules, so none stays one."""
    shutil.copytree(Path(__file__).with_name("static"), folder)
    for file in (folder / "vendor").glob("*.js"):
        script = re.sub(r"^export (?=function )", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        file.write_text(re.sub(r"^//# sourceMappingURL=.*", "", script, flags=re.MULTILINE), encoding="utf-8")


class _Pages:
    """The templates with what they need."""

    def __init__(self, catalog: Catalog, guides: list[Guide], facts: Facts, *, has_dbt_docs: bool) -> None:
        self._catalog = catalog
        self._guides = guides
        self._facts = facts
        self._environment = Environment(
            loader=PackageLoader("timeback_analytics.docs"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["sql"] = lambda query: code(query, "sql")
        self._environment.filters["sh"] = lambda command: code(command, "sh")
        self._environment.filters["plural"] = lambda number, word: (
            f"{number} {word}{'' if number == 1 else 's'}"
        )
        self._diagrams = {
            "diagram.html" if name == "TimeBack" else f"diagram-{name.lower()}.html": (name, datasets)
            for name, datasets in diagrams.parts(catalog).items()
        }
        self._environment.globals.update(
            catalog=catalog,
            guides=guides,
            facts=facts,
            has_dbt_docs=has_dbt_docs,
            pages=[
                ("index.html", "Overview"),
                ("questions.html", "Questions"),
                ("dashboards.html", "Dashboards"),
                *([("metrics.html", "Metrics")] if catalog.metrics else ()),
                *((url, f"Diagram of {name}") for url, (name, _) in self._diagrams.items()),
                ("lineage.html", "Lineage"),
            ],
        )

    def render(self) -> dict[str, str]:
        """Path -> page."""
        catalog = self._catalog
        pages = {
            "index.html": self._page("overview.html", 0),
            "questions.html": self._page("questions.html", 0),
            "dashboards.html": self._page(
                "dashboards.html",
                0,
                dashboards=[(one, shown(one, self._facts.dashboards)) for one in catalog.dashboards],
            ),
            "lineage.html": self._page("lineage.html", 0),
            "personal-data.html": self._page(
                "personal.html",
                0,
                kinds={kind: meaning for kind, meaning in PERSONAL.items() if kind != "none"},
                marked=_marked(catalog),
            ),
            **self._whole_diagrams(),
        }
        if catalog.metrics:
            pages["metrics.html"] = self._page("metrics.html", 0)
        for metric in catalog.metrics:
            pages[f"metrics/{metric.name}.html"] = self._page(
                "metric.html",
                1,
                metric=metric,
                alt=chart_of_metric(metric)["alt"],
                visuals=[
                    (dashboard, visual)
                    for dashboard in catalog.dashboards
                    for visual in dashboard.visuals
                    if visual.metric == metric.name
                ],
            )
        for guide in self._guides:
            pages[f"guides/{guide.name}.html"] = self._page(
                "guide.html", 1, guide=guide, consumers=catalog.consumers
            )
        for domain in catalog.domains:
            pages[f"domains/{domain.name}.html"] = self._page(
                "domain.html",
                1,
                domain=domain,
                diagram=diagrams.domain(catalog, domain.name, _dataset_href(1)),
            )
        for dataset in catalog.datasets.values():
            pages[f"datasets/{dataset.name}.html"] = self._dataset_page(dataset)
        return pages

    def _whole_diagrams(self) -> dict[str, str]:
        return {
            url: self._page(
                "diagram.html",
                0,
                here=url,
                part=name,
                parts_of=[(other, part) for other, (part, _) in self._diagrams.items()],
                domains=[
                    domain
                    for domain in self._catalog.domains
                    if any(dataset in domain.datasets for dataset in datasets)
                ],
                diagram=diagrams.whole(name, datasets, _dataset_href(0)),
            )
            for url, (name, datasets) in self._diagrams.items()
        }

    def _dataset_page(self, dataset: Dataset) -> str:
        catalog = self._catalog
        return self._page(
            "dataset.html",
            1,
            dataset=dataset,
            domain=next(domain for domain in catalog.domains if domain.name == dataset.domain),
            led_here=catalog.led_here(dataset.name),
            neighbours=diagrams.neighbours(catalog, dataset, _dataset_href(1)),
            lineage=diagrams.lineage(dataset, lambda table: f"../lineage.html#{table}"),
            consumers=[consumer for consumer in catalog.consumers if dataset.name in consumer.datasets],
            questions=[question for question in catalog.questions if dataset.name in question.datasets],
            metrics=[metric for metric in catalog.metrics if dataset.name in metric.datasets],
            dashboards=[
                (dashboard, visuals)
                for dashboard in catalog.dashboards
                if (visuals := [one for one in dashboard.visuals if dataset.name in one.datasets])
            ],
            settings=_settings_read(catalog, dataset.example_query),
        )

    def _page(self, template: str, depth: int, **values: Any) -> str:
        root = "../" * depth
        markdown = Markdown(self._catalog, root)
        return self._environment.get_template(template).render(
            root=root,
            md=markdown.block,
            mdi=markdown.inline,
            settings_read=lambda query: _settings_read(self._catalog, query),
            **values,
        )


def _marked(catalog: Catalog) -> Mapping[str, dict[Dataset, list[Column]]]:
    """Kind of personal data -> dataset -> its columns of that kind."""
    marked: dict[str, dict[Dataset, list[Column]]] = {kind: {} for kind in PERSONAL}
    for dataset in catalog.datasets.values():
        for column in dataset.columns:
            if column.pii:
                marked[column.pii].setdefault(dataset, []).append(column)
    return marked


def _dataset_href(depth: int) -> Callable[[str], str]:
    return lambda name: f"{'../' * depth}datasets/{name}.html"


def _settings_read(catalog: Catalog, query: str) -> list[str]:
    """The session settings that a query's rows depend on."""
    read = re.findall(rf"\b{re.escape(catalog.schema)}\.(\w+)", query)
    settings = {catalog.datasets[name].scope_setting for name in read if name in catalog.datasets}
    return sorted(settings - {""})
