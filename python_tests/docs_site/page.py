"""Pages of the site, read."""

import re
from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """Text, ids and links of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.landmarks: list[str] = []
        self.unnamed: list[str] = []
        self.text = ""
        self.heading_levels: list[int] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if named.get("id"):
            self.ids.append(str(named["id"]))
        self.links += [str(named[name]) for name in ("href", "src") if named.get(name)]
        if tag in ("header", "nav", "main", "footer"):
            self.landmarks.append(tag)
        if tag in ("input", "button", "nav", "svg") and not ({"aria-label", "aria-hidden"} & set(named)):
            self.unnamed.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.heading_levels.append(int(tag[1]))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())


def pages_of(site: Path) -> dict[str, Page]:
    """The pages of a site by their path, without dbt's own."""
    return {
        path.relative_to(site).as_posix(): Page(path)
        for path in sorted(site.rglob("*.html"))
        if path.parent.name != "dbt"
    }
