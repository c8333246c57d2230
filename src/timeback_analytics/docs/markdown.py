"""Markdown as HTML and as plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from timeback_analytics.docs.catalog import Catalog

_DBT_LINK = re.compile(r"^#!/model/model\.timeback_analytics\.(\w+)$")
_LEXERS = {"sql": "postgresql", "python": "python", "sh": "bash"}


def parser() -> MarkdownIt:
    """What reads Markdown here: CommonMark with tables, without HTML."""
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def anchor(text: str) -> str:
    """The id of a heading."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def plain(text: str) -> str:
    """The text without its marks, in one line."""
    parts: list[str] = []
    for token in parser().parse(text):
        if token.type == "inline":
            parts += [
                child.content if child.type in ("text", "code_inline") else " "
                for child in token.children or ()
                if child.type in ("text", "code_inline", "softbreak", "hardbreak")
            ]
        elif token.type in ("fence", "code_block"):
            parts.append(token.content)
        # a block that ends must not run into the next
        parts.append(" " if token.block else "")
    return " ".join("".join(parts).split())


def sections(text: str) -> list[tuple[str, str]]:
    """(heading, what follows) of each part that a second-level heading begins."""
    return re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)


def code(text: str, language: str) -> Markup:
    """A query or program with its words marked for colours."""
    lexer = get_lexer_by_name(_LEXERS.get(language, "text"))
    return Markup(highlight(text, lexer, HtmlFormatter(nowrap=True)).rstrip())


class Markdown:
    """Markdown as HTML, in which a dataset or a column in backticks leads to its page."""

    def __init__(self, catalog: Catalog, root: str) -> None:
        """root: from the page to the site's folder, "" or "../"."""
        self._catalog = catalog
        self._root = root
        self._parser = parser()
        self._renderer = RendererHTML()
        self._renderer.rules |= {
            "code_inline": self._code,
            "link_open": self._link,
            "heading_open": self._heading,
            "fence": self._fence,
        }
        self._parser.renderer = self._renderer

    def block(self, text: str) -> Markup:
        """Paragraphs, lists, tables and code."""
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
        place = f"#column-{column}" if column else ""
        return f'<a href="{self._root}datasets/{name}.html{place}">{code}</a>'

    def _link(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        to_model = _DBT_LINK.match(str(token.attrs["href"]))
        if to_model:
            token.attrs["href"] = f"{self._root}datasets/{to_model[1]}.html"
        return self._renderer.renderToken(tokens, index, options, env)

    def _heading(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        tokens[index].attrs["id"] = anchor(tokens[index + 1].content)
        return self._renderer.renderToken(tokens, index, options, env)

    def _fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        shown = code(token.content, token.info.strip())
        kind = "code" if token.info.strip() in _LEXERS else "code output"
        return f'<div class="{kind}"><pre tabindex="0"><code>{shown}</code></pre></div>'
