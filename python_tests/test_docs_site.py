"""The documentation site: complete, true to the database, and a pleasure in a browser.

The browser's part needs Chromium, which runs without a window and without a network.
"""

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from browser import Browser, answer_of, contrast, needs_chromium
from timeback_analytics.cli import main
from timeback_analytics.docs.catalog import Catalog, Lineage, read_catalog
from timeback_analytics.docs.site import build_site
from timeback_analytics.errors import TimebackError
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def compiled_manifest(dbt: Callable, catalog_template: str, short_tmp: Path) -> dict[str, Any]:
    """dbt's manifest as `dbt docs generate` leaves it, static_index.html beside it."""
    selection = ["resource_type:model", "resource_type:source"]
    dbt(catalog_template, "docs", "generate", "--static", "--select", *selection)
    return json.loads((short_tmp / "target" / "manifest.json").read_text())


@pytest.fixture(scope="module")
def lineage(compiled_manifest: dict[str, Any], short_tmp: Path) -> Lineage:
    """What `timeback lineage` writes beside that manifest."""
    target = short_tmp / "target"
    arguments = ["lineage", "--manifest", str(target / "manifest.json")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads((target / "lineage.json").read_text())


@pytest.fixture(scope="module")
def catalog(compiled_manifest: dict[str, Any], lineage: Lineage) -> Catalog:
    """What the site is made of."""
    return read_catalog(compiled_manifest, lineage)


@pytest.fixture(scope="module")
def site(compiled_manifest: dict[str, Any], lineage: Lineage, short_tmp: Path) -> Path:
    """The folder of the site, as the command line makes it."""
    folder = short_tmp / "site"
    arguments = ["docs", "--target-path", str(short_tmp / "target"), "--output", str(folder)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert str(folder / "index.html") in result.output
    return folder


class _Page(HTMLParser):
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


def _pages(site: Path) -> dict[str, _Page]:
    return {
        path.relative_to(site).as_posix(): _Page(path)
        for path in sorted(site.rglob("*.html"))
        if path.parent.name != "dbt"
    }


def test_every_dataset_and_column_is_on_its_page(site: Path, catalog: Catalog) -> None:
    pages = _pages(site)
    for dataset in catalog.datasets.values():
        page = pages[f"datasets/{dataset.name}.html"]
        assert {f"column-{column.name}" for column in dataset.columns} <= set(page.ids)
        assert {"traps", "example", "joins", "columns", "lineage"} <= set(page.ids), dataset.name
        for text in (*dataset.traps, *dataset.rules, *dataset.invariants):
            assert " ".join(text.replace("`", "").split()) in page.words, (dataset.name, text)
        assert " ".join(dataset.example_query.split()) in page.words
        for column in dataset.columns:
            assert column.data_type in page.words
            assert column.example in page.text
        for _, target, target_column in dataset.joins:
            assert f"{target}.html#column-{target_column}" in page.links
            back = pages[f"datasets/{target}.html"]
            assert any(link.startswith(f"{dataset.name}.html#column-") for link in back.links)
    for domain in catalog.domains:
        links = pages[f"domains/{domain.name}.html"].links
        assert {f"../datasets/{dataset.name}.html" for dataset in domain.datasets} <= set(links)


def test_the_lineage_is_that_of_the_file(site: Path, lineage: Lineage, catalog: Catalog) -> None:
    """On the pages of datasets, in their diagrams, and on the page of tables, the other way round."""
    shown: dict[str, set[str]] = {}
    for name, columns in lineage.items():
        html = (site / "datasets" / f"{name}.html").read_text(encoding="utf-8")
        for column, sources in columns.items():
            row = re.search(rf'<tr id="column-{column}">.*?</tr>', html, re.DOTALL)[0]
            listed = re.findall(r'lineage\.html#\w+"><code>([\w.]+)</code>', row)
            assert sorted(listed) == sorted(sources), (name, column)
            asides = row.partition("Also read for it")[2]
            documented = next(one for one in catalog.datasets[name].columns if one.name == column).origin
            assert set(re.findall(r"<code>([\w.]+)</code>", asides)) & set(sources) == set(sources) - set(
                documented
            )
            for source in sources:
                shown.setdefault(source, set()).add(f"{name}.{column}")
        section = html[html.index('id="lineage"') :]
        assert section.count('<g class="line') == sum(map(len, columns.values())), name
    page = (site / "lineage.html").read_text(encoding="utf-8")
    for table, body in re.findall(r'<h2 id="(\w+)">(.*?)</section>', page, re.DOTALL):
        for column, cell in re.findall(r'<th scope="row"><code>(\w+)</code></th>(.*?)</tr>', body, re.DOTALL):
            assert set(re.findall(r"<code>([\w.]+)</code>", cell)) == shown.pop(f"{table}.{column}")
    assert shown == {}


def test_what_is_read_for_a_value_is_told_from_where_it_comes(site: Path, catalog: Catalog) -> None:
    """Which of a student's roles gives the admission date depends on whether it is the primary one."""
    columns = {column.name: column for column in catalog.datasets["student_start_dates"].columns}
    column = columns["admission_date"]
    assert column.read_for_it == ("one_roster_role.role_type",)
    assert column.origin and not set(column.read_for_it) & set(column.origin)
    page = (site / "lineage.html").read_text(encoding="utf-8")
    chips = re.findall(
        r'<a class="chip ([^"]*)"[^>]*href="datasets/student_start_dates.html#column-admission_date"', page
    )
    assert sorted("aside" in chip for chip in chips) == [False] * len(column.origin) + [True]


def test_the_overview_lists_the_published_datasets(
    compiled_manifest: dict[str, Any], catalog: Catalog
) -> None:
    linked = re.findall(r"^\| \[(\w+)\]\(#!/model/(model\.[\w.]+)\)(.*)", catalog.overview, re.MULTILINE)
    published = {
        node["unique_id"]: node["name"]
        for node in compiled_manifest["nodes"].values()
        if node["resource_type"] == "model" and node["access"] == "public"
    }
    assert sorted((unique_id, name) for name, unique_id, _ in linked) == sorted(published.items())
    deprecated = {name for name, _, text in linked if "deprecated" in text}
    assert deprecated == {dataset.name for dataset in catalog.datasets.values() if dataset.deprecated_from}
    assert f"catalog of {len(published)} datasets" in catalog.overview
    # each table stands under its domain, in the order of the navigation
    by_heading = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", catalog.overview, re.DOTALL | re.MULTILINE)
    for domain in catalog.domains:
        table = dict(by_heading)[domain.title]
        assert set(re.findall(r"^\| \[(\w+)\]", table, re.MULTILINE)) == {
            dataset.name for dataset in domain.datasets
        }


def test_consumers_and_access(compiled_manifest: dict[str, Any], catalog: Catalog) -> None:
    current = {dataset.name for dataset in catalog.datasets.values() if not dataset.deprecated_from}
    assert {consumer.kind for consumer in catalog.consumers} == {"dashboard", "notebook", "application"}
    assert set().union(*(consumer.datasets for consumer in catalog.consumers)) == current
    for node in compiled_manifest["nodes"].values():
        if node["resource_type"] == "model":
            assert node["group"] == "catalog"
            assert node["access"] == ("public" if "datasets" in node["fqn"] else "private"), node["name"]


def test_no_link_is_broken(site: Path) -> None:
    pages = _pages(site)
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), f"an id twice on {path}"
        for link in page.links:
            target, _, anchor = link.partition("#")
            goal = (site / path).parent.joinpath(target).resolve() if target else (site / path).resolve()
            assert goal.is_file(), f"{path} links to {link}"
            relative = goal.relative_to(site.resolve()).as_posix()
            if anchor and relative in pages:
                assert anchor in pages[relative].ids, f"{path} links to {link}"
    index = json.loads(
        (site / "search-index.js").read_text().removeprefix("window.SEARCH_INDEX=").rstrip(";\n")
    )
    for entry in index:
        target, _, anchor = entry["url"].partition("#")
        assert target in pages
        assert not anchor or anchor in pages[target].ids, entry["url"]


def test_nothing_asks_another_host(site: Path) -> None:
    for path in site.rglob("*"):
        if path.suffix not in (".html", ".css", ".js", ".svg") or path.parent.name == "dbt":
            continue
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        asked = re.findall(
            r"""(?:(?:src|href|action|poster)\s*=\s*["']?|url\(["']?|@import\s+["']?)\s*((?:[a-z]+:)?//\S*)""",
            text,
        )
        assert not asked, path
        assert not re.search(
            r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts)\b", text
        ), path
        assert path.suffix != ".html" or "default-src 'none'" in text


def test_pages_have_landmarks_and_names(site: Path) -> None:
    for path, page in _pages(site).items():
        assert sorted(page.landmarks) == ["footer", "header", "main", "nav"], path
        assert not page.unnamed, path
        levels = page.heading_levels
        assert levels.count(1) == 1, path


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


def _without_example(node: dict[str, Any]) -> None:
    del node["config"]["meta"]["example_query"]


def _with_a_join_to_nowhere(node: dict[str, Any]) -> None:
    node["config"]["meta"]["joins"]["student_id"] = "students.number"


def _with_a_rule_that_yaml_read_as_a_mapping(node: dict[str, Any]) -> None:
    node["config"]["meta"]["rules"].append({"a rule": "with a colon"})


def _without_a_description(node: dict[str, Any]) -> None:
    node["columns"]["date"]["description"] = " "


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_without_example, "sessions: no config.meta.example_query"),
        (_with_a_join_to_nowhere, "sessions: config.meta.joins ties student_id to students.number"),
        (
            _with_a_rule_that_yaml_read_as_a_mapping,
            "sessions: config.meta.rules has an entry that is no text",
        ),
        (_without_a_description, "sessions.date: no description"),
    ],
)
def test_gaps_are_refused(
    compiled_manifest: dict[str, Any],
    lineage: Lineage,
    tmp_path: Path,
    spoil: Callable[[dict[str, Any]], None],
    says: str,
) -> None:
    manifest = copy.deepcopy(compiled_manifest)
    spoil(manifest["nodes"]["model.timeback_analytics.sessions"])
    with pytest.raises(TimebackError, match=re.escape(says)):
        build_site(manifest, lineage, tmp_path / "site")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no .*lineage.json.*`timeback lineage` makes it"),
        ("{", "lineage.json is no JSON.*`timeback lineage` makes it again"),
        ("{}", "sessions: lineage.json knows other columns of it; `timeback lineage`"),
        ("sessions", "sessions.id: its SQL does not read its documented origin caliper_session.id"),
    ],
)
def test_a_lineage_that_is_none_is_refused(
    site: Path, lineage: Lineage, short_tmp: Path, tmp_path: Path, content: str | None, says: str
) -> None:
    """Missing, broken, older than the project, or at odds with what is documented."""
    if content == "sessions":
        content = json.dumps({**lineage, "sessions": {**lineage["sessions"], "id": ["caliper_session.x"]}})
    for name in ("manifest.json", "static_index.html"):
        (tmp_path / name).symlink_to(short_tmp / "target" / name)
    if content is not None:
        (tmp_path / "lineage.json").write_text(content)
    result = CliRunner().invoke(main, ["docs", "--target-path", str(tmp_path)])
    assert result.exit_code == 1
    assert re.search(says, result.output, re.DOTALL), result.output
    assert not (tmp_path / "docs").exists()


def test_somebody_elses_folder_is_left_alone(
    compiled_manifest: dict[str, Any], lineage: Lineage, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(TimebackError, match="something else than the site"):
        build_site(compiled_manifest, lineage, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.fixture
def reader(embedded_server: EmbeddedServer, demo_database: str) -> Iterator[psycopg.Connection]:
    """A connection as a reader whose scope is the demo's three largest schools, and ROAR's districts."""
    with psycopg.connect(embedded_server.dsn(demo_database), autocommit=True) as conn:
        conn.execute(
            "select set_config('app.allowed_org_ids', string_agg(id::text, ','), false)"
            " from (select id from analytics.schools order by student_count desc, id limit 3) as largest"
        )
        conn.execute(
            "select set_config('app.allowed_roar_org_ids', array_agg(id)::text, false)"
            " from analytics.roar_districts"
        )
        conn.execute("set role timeback_reader")
        yield conn


def test_every_example_runs_for_a_reader(reader: psycopg.Connection, catalog: Catalog) -> None:
    queries = {dataset.name: dataset.example_query for dataset in catalog.datasets.values()}
    queries |= {question.title: question.query for question in catalog.questions}
    assert len(queries) == len(catalog.datasets) + len(catalog.questions) >= 46
    broken = {}
    empty = set()
    for name, query in queries.items():
        try:
            if not reader.execute(query).fetchall():
                empty.add(name)
        except psycopg.Error as error:
            broken[name] = str(error)
    assert not broken
    # examples of today's month or last week may find the demo's calendar elsewhere; the rest finds rows
    dated = {name for name, query in queries.items() if re.search(r"now\(\)|current_date", query)}
    assert empty <= dated
    for dataset in catalog.datasets.values():
        assert re.search(rf"\b{catalog.schema}\.{dataset.name}\b", dataset.example_query), dataset.name


def test_comments_in_the_database_are_the_descriptions(
    reader: psycopg.Connection, compiled_manifest: dict[str, Any], catalog: Catalog
) -> None:
    comments = reader.execute(
        """
        select relation.relname, attribute.attname, description.description
        from pg_catalog.pg_description as description
        inner join pg_catalog.pg_class as relation on description.objoid = relation.oid
        left join pg_catalog.pg_attribute as attribute
          on relation.oid = attribute.attrelid and description.objsubid = attribute.attnum
          and attribute.attnum > 0
        where description.classoid = 'pg_catalog.pg_class'::regclass
          and relation.relnamespace = 'analytics'::regnamespace
        """
    ).fetchall()
    nodes = [compiled_manifest["nodes"][dataset.unique_id] for dataset in catalog.datasets.values()]
    described = {(node["name"], None): node["description"] for node in nodes}
    described |= {
        (node["name"], column["name"]): column["description"]
        for node in nodes
        for column in node["columns"].values()
    }
    assert {(relation, column): text for relation, column, text in comments} == described


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
    ("lineage.html", "", "lineage"),
    ("questions.html", "", "questions"),
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
        results = re.findall(r'<li id="result-\d+"[^>]*>.*?<a href="([^"]*)"', seen.dom)
        assert results[0] == "datasets/sessions_waste.html"
        assert "datasets/waste_insights.html#column-waste_duration_sec" in results
        assert "datasets/school_usage_stats.html#column-total_waste_time_sec" in results
        assert "questions.html#minutes_wasted_per_school_last_week" in results


def test_every_domain_has_a_picture(catalog: Catalog) -> None:
    pictured = {Path(page).stem for page, *_ in PICTURES}
    assert {catalog.datasets[name].domain for name in pictured & set(catalog.datasets)} == {
        domain.name for domain in catalog.domains
    }


@needs_chromium
def test_search_and_theme_by_keyboard(copied_site: Path, visit: Browser) -> None:
    script = """
        const seen = {};
        const input = document.getElementById("search");
        const press = (key) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
        const chosen = () => document.querySelector("[aria-selected=true] strong")?.textContent;
        press("t");
        seen.theme = document.documentElement.dataset.theme;
        press("/");
        seen.focused = document.activeElement === input;
        input.value = "proctored";
        input.dispatchEvent(new Event("input"));
        seen.expanded = input.getAttribute("aria-expanded");
        seen.first = chosen();
        press("ArrowDown");
        seen.second = chosen();
        seen.active = input.getAttribute("aria-activedescendant");
        press("ArrowUp");
        seen.back = chosen();
        document.querySelector("[aria-selected=true] a").addEventListener("click", (event) => {
            event.preventDefault();
            seen.opened = event.currentTarget.getAttribute("href");
        });
        press("Enter");
        press("Escape");
        seen.closed = document.getElementById("results").hidden && document.activeElement !== input;
        input.value = "no such thing anywhere";
        input.dispatchEvent(new Event("input"));
        seen.nothing = document.getElementById("results").textContent;
        input.value = "<img src=x onerror=alert(1)>";
        input.dispatchEvent(new Event("input"));
        seen.images = document.querySelectorAll("#results img").length;
        return seen;
    """
    seen = visit(_probe(copied_site, "index.html", script))
    assert not seen.console
    answer = answer_of(seen.dom)
    assert answer["theme"] == "dark"
    assert answer["focused"] and answer["expanded"] == "true"
    assert answer["first"] == answer["back"] == "Which sessions were proctored?"
    assert answer["second"] not in (None, answer["first"]) and answer["active"] == "result-1"
    assert answer["opened"] == "questions.html#proctored_sessions"
    assert answer["closed"]
    assert "Nothing has" in answer["nothing"]
    assert answer["images"] == 0


@needs_chromium
def test_lineage_diagram_in_a_browser(
    copied_site: Path, visit: Browser, lineage: Lineage, catalog: Catalog
) -> None:
    """Every line of the file is drawn, those that are no origin dashed, and each leads to its table."""
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
@pytest.mark.parametrize("page", ["index.html", "datasets/class_enrollments.html", "lineage.html"])
def test_a_phone_never_scrolls_sideways(copied_site: Path, visit: Browser, page: str) -> None:
    script = (
        "return [document.documentElement.scrollWidth, innerWidth, document.getElementById('menu').open];"
    )
    width, room, menu_open = answer_of(visit(_probe(copied_site, page, script), width=390).dom)
    assert width <= room <= 500
    assert not menu_open


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
