"""The site as a person uses it: at a desk and on a phone, by mouse, by keys and with a screen reader."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from browser import needs_chromium
from chromium import Chromium
from docs_site.page import pages_of

pytestmark = [pytest.mark.takes_long, needs_chromium]

HERE = Path(__file__).parent
QUESTIONS = yaml.safe_load((HERE / "analysts_questions.yml").read_text())
DESK, PHONE = (1366, 850), (390, 844)
AXE = """
(async () => {
  const found = await axe.run(document, {resultTypes: ["violations"], preload: false});
  const shown = (one) => one.nodes.slice(0, 3).map((node) => node.html).join(" | ");
  return found.violations.map((one) => `${one.id}: ${shown(one)}`);
})()
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A window that the tests of this file share."""
    chromium = Chromium(tmp_path_factory.mktemp("chromium") / "profile")
    yield chromium
    chromium.close()


@pytest.fixture(autouse=True)
def at_a_desk(window: Chromium) -> None:
    """Every test begins at a desk, in the light."""
    window.size(*DESK)


def _quiet(window: Chromium, path: object) -> None:
    assert not window.requests, path
    assert not window.console, path


def _violations(window: Chromium) -> list[str]:
    window.run((HERE / "axe" / "axe.min.js").read_text() + "; true")
    return window.run(AXE)


def test_no_page_has_a_violation_that_axe_finds(window: Chromium, each_site: Path) -> None:
    for path in _one_of_each(pages_of(each_site), is_demo="embedded" in str(each_site)):
        window.open(each_site / path)
        _quiet(window, path)
        assert _violations(window) == [], path


def _one_of_each(pages: Iterable[str], *, is_demo: bool) -> list[str]:
    """The pages that differ in how they are made. Those of datasets, metrics and domains are made alike.

    Of the demo a third of these has each of their parts, with rows and without; the other site is of the same
    templates without rows.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for path in pages:
        folders[Path(path).parent.name].append(path)
    steps = dict.fromkeys(("datasets", "metrics", "domains"), 3 if is_demo else 9)
    return [path for name, paths in folders.items() for path in paths[:: steps.get(name, 1)]]


# what the dark changes and what a phone changes are different things: each is looked at once
@pytest.mark.parametrize(("size", "theme"), [(DESK, "dark"), (PHONE, "light")])
def test_nor_in_the_dark_or_on_a_phone(
    window: Chromium, site: Path, size: tuple[int, int], theme: str
) -> None:
    window.size(*size, theme=theme)
    for path in (
        *("index.html", "questions.html", "diagram.html", "personal-data.html", "lineage.html"),
        "dashboards.html",
        *("guides/connect.html", "guides/failing.html", "domains/insights.html"),
        *("datasets/attempts.html", "datasets/students_enrollments.html"),
    ):
        window.open(site / path)
        _quiet(window, path)
        assert _violations(window) == [], path
        width, room = window.run("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= room == size[0], path
        name = f"{site.parent.name}-{Path(path).stem}-{size[0]}-{theme}"
        window.picture(name)


def test_a_dashboards_query_and_rows_open(window: Chromium, each_site: Path) -> None:
    """Its tile takes the whole width then; on a phone nothing stands out of the page."""
    width = "document.querySelector('.tile.bar').getBoundingClientRect().width"
    window.open(each_site / "dashboards.html")
    closed, board = window.run(f"[{width}, document.querySelector('.board').getBoundingClientRect().width]")
    assert closed < 0.6 * board
    window.click(".tile.bar details:last-of-type summary")
    assert window.run(width) == pytest.approx(board)
    window.size(*PHONE)
    window.open(each_site / "dashboards.html")
    window.run("document.querySelectorAll('.tile details').forEach((one) => { one.open = true; })")
    assert window.run("document.documentElement.scrollWidth") <= PHONE[0]
    assert _violations(window) == []
    _quiet(window, "dashboards.html")


def test_axe_would_find_one(window: Chromium, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"></main>')
    window.open(page)
    assert any(one.startswith("image-alt") for one in _violations(window))


def test_the_search_has_no_violation_while_it_is_open(window: Chromium, site: Path) -> None:
    for words in ("waste", "no such thing anywhere xyzzy"):
        window.open((site / "index.html").as_uri() + "#search=" + words.replace(" ", "+"))
        assert window.run("!document.getElementById('results').hidden")
        assert _violations(window) == [], words


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_diagrams_are_whole_in_the_first_view(
    window: Chromium, each_site: Path, size: tuple[int, int], theme: str
) -> None:
    window.size(*size, theme=theme)
    diagrams = sorted(each_site.glob("diagram*.html"))
    assert len(diagrams) == (2 if "embedded" in str(each_site) else 1)
    boxes = 0
    for path in diagrams:
        window.open(path)
        _quiet(window, path)
        window.picture(f"{each_site.parent.name}-{path.stem}-{size[0]}-{theme}")
        seen: dict[str, Any] = window.run(
            """(() => {
                const boxes = [...document.querySelectorAll(".box")]
                    .map((box) => box.getBoundingClientRect());
                return {
                    count: boxes.length,
                    left: Math.min(...boxes.map((box) => box.left)),
                    right: Math.max(...boxes.map((box) => box.right)),
                    top: Math.min(...boxes.map((box) => box.top)),
                    bottom: Math.max(...boxes.map((box) => box.bottom)),
                };
            })()"""
        )
        boxes += seen["count"]
        assert seen["left"] >= 0 and seen["right"] <= size[0], path
        assert seen["top"] >= 0 and seen["bottom"] <= size[1], path
        # and it uses the room that there is
        assert (seen["right"] - seen["left"]) / size[0] > 0.55, path
    assert boxes == len(list((each_site / "datasets").iterdir()))


def test_a_diagram_comes_nearer_and_fits_again(window: Chromium, site: Path) -> None:
    def scale() -> float:
        return float(window.run("document.querySelector('.stage').dataset.scale ?? 1"))

    window.open(site / "diagram.html")
    middle = window.run(
        "(() => { const box = document.querySelector('.stage').getBoundingClientRect();"
        "return [box.left + box.width / 2, box.top + box.height / 2]; })()"
    )
    window.click("[data-act=in]")
    assert scale() == pytest.approx(1.4)
    window.click("[data-act=out]")
    assert scale() == 1
    window.wheel(*middle, -200)
    assert scale() > 1.3
    window.click("[data-act=fit]")
    assert scale() == 1
    window.run("document.querySelector('.stage').focus()")
    window.press("+", text="+")
    window.press("+", text="+")
    assert scale() == pytest.approx(1.96)
    before = window.run("document.querySelector('.stage svg').getAttribute('viewBox')")
    window.press("ArrowRight")
    assert window.run("document.querySelector('.stage svg').getAttribute('viewBox')") != before
    window.press("0", text="0")
    assert scale() == 1
    # a box that is gone to by key is in view, however near the diagram is
    for _ in range(5):
        window.press("+", text="+")
    window.run("document.querySelector('.box[data-name=guides]').focus({preventScroll: true})")
    inside = window.run(
        "(() => { const box = document.activeElement.getBoundingClientRect();"
        "const frame = document.querySelector('.stage').getBoundingClientRect();"
        "return box.left >= frame.left && box.right <= frame.right && box.top >= frame.top"
        " && box.bottom <= frame.bottom; })()"
    )
    assert inside
    _quiet(window, "diagram.html")


def test_the_first_box_is_near_by_keys(window: Chromium, site: Path) -> None:
    window.open(site / "diagram.html")
    window.press("Tab")
    window.press("Tab")
    assert window.run("document.activeElement.textContent") == "Skip to the diagram"
    window.press("Enter")
    window.press("Tab")
    assert window.run("document.activeElement.matches('.box')")
    window.open(site / "diagram.html")
    for _ in range(3):
        window.press("Tab")
    assert window.run("document.activeElement.textContent") == "Skip past the diagram"


def test_search_and_theme_by_keyboard(window: Chromium, site: Path) -> None:
    chosen = "document.querySelector('[aria-selected=true] strong').textContent"
    window.open(site / "index.html")
    window.press("t", text="t")
    assert window.run("document.documentElement.dataset.theme") == "dark"
    window.press("t", text="t")
    window.press("/", text="/")
    assert window.run("document.activeElement.id") == "search"
    window.type("proctored sessions")
    assert window.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    first = window.run(chosen)
    assert first == "Which sessions were proctored?"
    window.press("ArrowDown")
    assert window.run(chosen) != first
    assert window.run("document.activeElement.getAttribute('aria-activedescendant')") == "result-1"
    window.press("ArrowUp")
    window.press("Enter")
    assert window.run("location.href").endswith("questions.html#proctored_sessions")
    window.press("/", text="/")
    window.type("<img src=x onerror=alert(1)> zzzyyyxxx")
    assert window.run("document.querySelectorAll('#results img').length") == 0
    window.press("Escape")
    assert window.run("document.getElementById('results').hidden && document.activeElement.id !== 'search'")
    _quiet(window, "search")


@pytest.mark.parametrize(
    ("one", "other"),
    [("idle", "idling"), ("waste", "wasted"), ("student", "students"), ("proctor", "proctoring")],
)
def test_forms_of_a_word_find_the_same(window: Chromium, site: Path, one: str, other: str) -> None:
    window.open(site / "index.html")
    results = "find({0!r}).slice(0, 8).map((found) => found.url)"
    assert window.run(results.format(one)) == window.run(results.format(other)) != []


def test_excerpts_hold_no_markdown(window: Chromium, site: Path) -> None:
    window.open(site / "index.html")
    texts = window.run("window.SEARCH_INDEX.map((entry) => entry.text)")
    assert len(texts) > 500
    marked = [text for text in texts if re.search(r"\*\*|`|\]\(|^- |^#", text)]
    assert not marked


def test_analysts_come_with_twenty_questions_and_more() -> None:
    assert len(QUESTIONS) >= 20
    assert len({question["words"] for question in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=[question["words"] for question in QUESTIONS])
def test_an_analyst_finds_the_answer(window: Chromium, site: Path, question: dict[str, str]) -> None:
    """From the front page: into the search, the words, and a click on one of the first five results."""
    window.open(site / "index.html")
    window.click("#search")
    window.type(question["words"])
    found = window.run(
        "[...document.querySelectorAll('#results a')].map((link) => link.getAttribute('href'))"
    )
    assert question["answer"] in found[:5], found[:8]
    window.click("#results a", found.index(question["answer"]))
    assert window.run("location.href").endswith(question["answer"])
    anchor = question["answer"].partition("#")[2]
    part = (
        f"document.getElementById({anchor!r}).parentElement" if anchor else "document.querySelector('main')"
    )
    assert question["says"] in " ".join(window.run(f"{part}.textContent").split())
    if anchor:
        top = window.run(f"document.getElementById({anchor!r}).getBoundingClientRect().top")
        assert 0 <= top < DESK[1], "the answer is not in view"
    _quiet(window, question["words"])
