"""Guides: pages written as Markdown, in the folder guides, each with its title and search words on top."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

import yaml

_SCHEMA = re.compile(r"\banalytics(?=_(?:bi|internal|metrics)\b|\.\w)")
"""The published schema in a guide's text, and those that are named after it."""


@dataclass(frozen=True)
class Guide:
    """A page of prose."""

    name: str
    """Of its page: connect is guides/connect.html."""
    title: str
    summary: str
    synonyms: tuple[str, ...]
    kind: str
    """guide, or role: what one kind of reader needs."""
    text: str


def read_guides(schema: str) -> list[Guide]:
    """Every guide, in order.

    Args:
        schema: the published schema's name, which stands for `analytics` in their queries.
    """
    guides = []
    folder = files("timeback_analytics.docs") / "guides"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".md"):
            continue
        _, head, text = file.read_text(encoding="utf-8").split("---\n", 2)
        facts = yaml.safe_load(head)
        guides.append(
            Guide(
                name=file.name.split("-", 1)[1].removesuffix(".md"),
                title=facts["title"],
                summary=facts["summary"],
                synonyms=tuple(facts["synonyms"]),
                kind=facts.get("kind", "guide"),
                text=_SCHEMA.sub(schema, text.strip()),
            )
        )
    return guides
