"""Write the site: pages from the templates, the search's index, and dbt's own documentation beside them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from timeback_analytics.docs import diagrams
from timeback_analytics.docs.catalog import Catalog, Dataset, Lineage, read_catalog
from timeback_analytics.errors import TimebackError

_DBT_LINK = re.compile(r"^#!/model/model\.timeback_analytics\.(\w+)$")


def build_site(
    manifest: Mapping[str, Any],
    lineage: Lineage,
    folder: Path,
    *,
    dbt_docs: Path | None = None,
) -> int:
    """Write the site to a folder, in place of the site that it holds.

    Args:
        manifest: dbt's manifest.json.
        lineage: what each published column is made of, as `timeback lineage` found it in this manifest.
        folder: made when missing; refused when it holds something that is no site.
        dbt_docs: dbt's own documentation, in one file; without it the pages do not link there.

    Returns:
        The number of pages.

    Raises:
        TimebackError: the documentation has gaps, or the folder is somebody else's.
    """
    catalog = read_catalog(manifest, lineage)
    pages = _Pages(catalog, has_dbt_docs=dbt_docs is not None).render()
    if folder.exists():
        if any(folder.iterdir()) and not (folder / "search-index.js").is_file():
            raise TimebackError(
                f"{folder} holds something else than the site. Name another folder with --output."
            )
        shutil.rmtree(folder)
    shutil.copytree(Path(__file__).with_name("static"), folder / "assets")
    if dbt_docs:
        (folder / "dbt").mkdir()
        shutil.copyfile(dbt_docs, folder / "dbt" / "index.html")
    for path, html in pages.items():
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(html, encoding="utf-8")
    index = json.dumps(_search_index(catalog), ensure_ascii=False, separators=(",", ":"))
    (folder / "search-index.js").write_text(f"window.SEARCH_INDEX={index};\n", encoding="utf-8")
    return len(pages)


class _Pages:
    """The templates with what they need."""

    def __init__(self, catalog: Catalog, *, has_dbt_docs: bool) -> None:
        self._catalog = catalog
        self._environment = Environment(
            loader=PackageLoader("timeback_analytics.docs"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["sql"] = _sql
        self._environment.filters["plural"] = lambda number, word: (
            f"{number} {word}{'' if number == 1 else 's'}"
        )
        self._environment.globals.update(catalog=catalog, has_dbt_docs=has_dbt_docs)

    def render(self) -> dict[str, str]:
        """Path -> page."""
        catalog = self._catalog
        pages = {
            "index.html": self._page("overview.html", 0),
            "questions.html": self._page("questions.html", 0),
            "lineage.html": self._page("lineage.html", 0),
            "diagram.html": self._page("diagram.html", 0, diagram=diagrams.whole(catalog, _dataset_href(0))),
        }
        for domain in catalog.domains:
            pages[f"domains/{domain.name}.html"] = self._page(
                "domain.html",
                1,
                domain=domain,
                diagram=diagrams.domain(catalog, domain.name, _dataset_href(1)),
            )
        for dataset in catalog.datasets.values():
            pages[f"datasets/{dataset.name}.html"] = self._page(
                "dataset.html",
                1,
                dataset=dataset,
                domain=next(domain for domain in catalog.domains if domain.name == dataset.domain),
                led_here=catalog.led_here(dataset.name),
                neighbours=diagrams.neighbours(catalog, dataset, _dataset_href(1)),
                lineage=diagrams.lineage(dataset, lambda table: f"../lineage.html#{table}"),
                consumers=[consumer for consumer in catalog.consumers if dataset.name in consumer.datasets],
                questions=[question for question in catalog.questions if dataset.name in question.datasets],
                settings=_settings_read(catalog, dataset.example_query),
            )
        return pages

    def _page(self, template: str, depth: int, **values: Any) -> str:
        root = "../" * depth
        markdown = _Markdown(self._catalog, root)
        return self._environment.get_template(template).render(
            root=root,
            md=markdown.block,
            mdi=markdown.inline,
            settings_read=lambda query: _settings_read(self._catalog, query),
            **values,
        )


class _Markdown:
    """Markdown as HTML, in which a dataset or a column in backticks leads to its page."""

    def __init__(self, catalog: Catalog, root: str) -> None:
        self._catalog = catalog
        self._root = root
        self._parser = MarkdownIt("commonmark", {"html": False}).enable("table")
        self._renderer = RendererHTML()
        self._renderer.rules |= {
            "code_inline": self._code,
            "link_open": self._link,
            "heading_open": self._heading,
        }
        self._parser.renderer = self._renderer

    def block(self, text: str) -> Markup:
        """Paragraphs, lists and tables."""
        return Markup(self._parser.render(text))

    def inline(self, text: str) -> Markup:
        """A text without paragraphs."""
        return Markup(self._parser.renderInline(text))

    def _code(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        text = tokens[index].content
        name, _, column = text.partition(".")
        dataset = self._catalog.datasets.get(name)
        code = f"<code>{escape(text)}</code>"
        if dataset is None or (column and column not in {known.name for known in dataset.columns}):
            return code
        anchor = f"#column-{column}" if column else ""
        return f'<a href="{self._root}datasets/{name}.html{anchor}">{code}</a>'

    def _link(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        to_model = _DBT_LINK.match(str(token.attrs["href"]))
        if to_model:
            token.attrs["href"] = f"{self._root}datasets/{to_model[1]}.html"
        return self._renderer.renderToken(tokens, index, options, env)

    def _heading(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        tokens[index].attrs["id"] = _anchor(tokens[index + 1].content)
        return self._renderer.renderToken(tokens, index, options, env)


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _dataset_href(depth: int) -> Callable[[str], str]:
    return lambda name: f"{'../' * depth}datasets/{name}.html"


def _sql(query: str) -> Markup:
    return Markup(highlight(query, get_lexer_by_name("postgresql"), HtmlFormatter(nowrap=True)).rstrip())


def _settings_read(catalog: Catalog, query: str) -> list[str]:
    """The session settings that a query's rows depend on."""
    read = re.findall(rf"\b{re.escape(catalog.schema)}\.(\w+)", query)
    settings = {catalog.datasets[name].scope_setting for name in read if name in catalog.datasets}
    return sorted(settings - {""})


def _search_index(catalog: Catalog) -> list[dict[str, str]]:
    """What the search finds: title, kind, where it is, and the text that it is found by."""
    entries = [
        {
            "title": heading,
            "kind": "guide",
            "url": f"index.html#{_anchor(heading)}",
            "text": _plain(text),
        }
        for heading, text in re.findall(
            r"^## (.+?)\n(.*?)(?=^## |\Z)", catalog.overview, re.DOTALL | re.MULTILINE
        )
    ]
    entries += [
        {
            "title": question.title,
            "kind": "question",
            "url": f"questions.html#{question.name}",
            "text": _plain(question.answer),
        }
        for question in catalog.questions
    ]
    for domain in catalog.domains:
        entries.append(
            {
                "title": domain.title,
                "kind": "domain",
                "url": f"domains/{domain.name}.html",
                "text": _plain(domain.description),
            }
        )
        for dataset in domain.datasets:
            entries.append(_dataset_entry(dataset))
            entries += [
                {
                    "title": f"{dataset.name}.{column.name}",
                    "kind": "column",
                    "url": f"datasets/{dataset.name}.html#column-{column.name}",
                    "text": _plain(" ".join([column.description, column.unit, *column.values])),
                }
                for column in dataset.columns
            ]
    entries += [
        {"title": table, "kind": "source", "url": f"lineage.html#{table}", "text": _plain(columns[""])}
        for table, columns in catalog.sources.items()
    ]
    return entries


def _dataset_entry(dataset: Dataset) -> dict[str, str]:
    return {
        "title": dataset.name,
        "kind": "dataset",
        "url": f"datasets/{dataset.name}.html",
        "text": _plain(" ".join([dataset.description, *dataset.traps, *dataset.rules])),
    }


def _plain(text: str) -> str:
    without_links = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    without_bullets = re.sub(r"^\s*- ", "", without_links, flags=re.MULTILINE)
    return " ".join(re.sub(r"[`*|#]", "", without_bullets).split())
