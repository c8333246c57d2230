"""The site in a browser, opened from disk without a network."""

import re
import shutil
from pathlib import Path

import pytest

from browser import Browser, answer_of, contrast, needs_chromium
from timeback_analytics.docs.catalog import Catalog, Lineage

pytestmark = pytest.mark.takes_long


def test_colours_havecontrast(site: Path, catalog: Catalog) -> None:
    css = (site / "assets" / "site.css").read_text()
    blocks = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r"\{([^{}]*--page[^{}]*)\}", css)
    ]
    light, dark, chosen_dark = (block for block in blocks if "page" in block)
    assert dark == chosen_dark
    for colours in (light, dark):
        for ground in ("page", "raised", "code"):
            for ink in ("text", "soft", "link", "keyword", "string", "number", "comment", "function"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        assert contrast(colours["warn"], colours["warn-page"]) >= 4.5
        assert contrast(colours["text"], colours["mark"]) >= 4.5
        assert contrast(colours["soft"], colours["mark"]) >= 4.5
        for name in (*(domain.name for domain in catalog.domains), "source"):
            assert contrast(colours[name], colours["page"]) >= 3, name


def _probe(site: Path, page: str, script: str) -> Path:
    """A copy of a page that runs a script of the test's at its end; the script's answer is in data-answer."""
    original = site / page
    name = f"probe-{original.stem}"
    original.with_name(f"{name}.js").write_text(
        f"document.body.dataset.answer = JSON.stringify((() => {{{script}}})());", encoding="utf-8"
    )
    probe = original.with_name(f"{name}.html")
    html = original.read_text().replace("</head>", f'<script src="{name}.js" defer></script></head>')
    probe.write_text(html, encoding="utf-8")
    return probe


@pytest.fixture
def copied_site(site: Path, tmp_path: Path) -> Path:
    """The site in a folder that a test may write in."""
    return shutil.copytree(site, tmp_path / "site")


PICTURES = [
    ("index.html", "", "overview"),
    *(
        (f"datasets/{name}.html", "", f"dataset-{name}")
        for name in (
            "sessions",
            "learning_apps",
            "courses",
            "waste_insights",
            "students_mastery",
            "student_guides",
            "class_enrollments",
            "roar_user_runs",
        )
    ),
    ("diagram.html", "", "diagram"),
    ("guides/connect.html", "", "guide-connect"),
    ("personal-data.html", "", "personal-data"),
    ("lineage.html", "", "lineage"),
    ("questions.html", "", "questions"),
    ("dashboards.html", "", "dashboards"),
    ("domains/curriculum.html", "", "domain-curriculum"),
    ("index.html", "#search=waste", "search-waste"),
]


@needs_chromium
@pytest.mark.parametrize(("page", "anchor", "name"), PICTURES, ids=[name for *_, name in PICTURES])
def test_page_opens_from_disk(
    site: Path, catalog: Catalog, visit: Browser, page: str, anchor: str, name: str
) -> None:
    # every page at one of the two widths in one of the two themes, turn by turn
    turn = [entry[2] for entry in PICTURES].index(name)
    width, theme = [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")][turn % 4]
    seen = visit(site / page, anchor, width=width, theme=theme, picture=f"{name}-{width}-{theme}")
    assert not seen.console
    assert not seen.requests
    assert f'data-theme="{theme}"' in seen.dom
    if page in ("diagram.html", "domains/curriculum.html"):
        assert seen.dom.count('class="box ') >= 14
    if anchor:
        results = re.findall(r'<a id="result-\d+"[^>]*href="([^"]*)"', seen.dom)
        assert "datasets/sessions_waste.html" in results[:5]
        assert "datasets/waste_insights.html#column-waste_duration_sec" in results
        assert "datasets/school_usage_stats.html#column-total_waste_time_sec" in results
        assert "questions.html#minutes_wasted_per_school_last_week" in results


def test_every_domain_has_a_picture(catalog: Catalog) -> None:
    pictured = {Path(page).stem for page, *_ in PICTURES}
    assert {catalog.datasets[name].domain for name in pictured & set(catalog.datasets)} == {
        domain.name for domain in catalog.domains
    }


@needs_chromium
def test_lineage_diagram_in_a_browser(
    copied_site: Path, visit: Browser, lineage: Lineage, catalog: Catalog
) -> None:
    """Every line of the file is drawn, those that are not an origin dashed, and each leads to its table."""
    script = """
        const lines = [...document.querySelectorAll("#lineage ~ figure .line")];
        const style = (line) => getComputedStyle(line.querySelector("path:not(.reach)"));
        return {
            titles: lines.map((line) => line.querySelector("title").textContent),
            dashed: lines.filter((line) => style(line).strokeDasharray !== "none").length,
            shown: lines.every((line) => line.getBoundingClientRect().width > 0),
            tables: [...document.querySelectorAll("#lineage ~ figure a.box")].map((box) => box.href.baseVal),
        };
    """
    seen = visit(_probe(copied_site, "datasets/student_start_dates.html", script), picture="lineage-diagram")
    assert not seen.console
    answer = answer_of(seen.dom)
    wanted = lineage["student_start_dates"]
    assert len(answer["titles"]) == sum(map(len, wanted.values()))
    for column, sources in wanted.items():
        for source in sources:
            pair = re.compile(rf"{re.escape(source)} (=|is read for) student_start_dates.{column}")
            assert any(map(pair.fullmatch, answer["titles"])), (source, column)
    columns = catalog.datasets["student_start_dates"].columns
    assert answer["dashed"] == sum(len(column.read_for_it) for column in columns) > 0
    assert answer["shown"]
    tables = {source.split(".")[0] for sources in wanted.values() for source in sources}
    assert {link for link in answer["tables"] if "lineage" in link} == {
        f"../lineage.html#{table}" for table in tables
    }


@needs_chromium
def test_dbts_own_docs_are_there_and_ask_nobody(site: Path, visit: Browser) -> None:
    page = site / "dbt" / "index.html"
    seen = visit(page, "#!/model/model.timeback_analytics.sessions", picture="dbt-sessions")
    assert not seen.requests
    assert "Learning sessions: who, in which application" in seen.dom


@needs_chromium
def test_a_request_to_another_host_would_be_seen(tmp_path: Path, visit: Browser) -> None:
    page = tmp_path / "leak.html"
    page.write_text('<img src="http://tracker.invalid/pixel.png"><script>console.error("oh")</script>')
    seen = visit(page)
    assert seen.requests == ["http://tracker.invalid/pixel.png"]
    assert any("oh" in line for line in seen.console)
