"""The pages: complete, linked, and true to dbt's manifest and the lineage."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from docs_site.page import pages_of
from timeback_analytics.docs.catalog import Catalog, Lineage

pytestmark = pytest.mark.takes_long


def test_every_dataset_and_column_is_on_its_page(site: Path, catalog: Catalog) -> None:
    pages = pages_of(site)
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
    site: Path, compiled_manifest: dict[str, Any], catalog: Catalog
) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    published = {
        node["name"]
        for node in compiled_manifest["nodes"].values()
        if node["resource_type"] == "model" and node["access"] == "public"
    }
    # each table stands under its domain, in the order of the navigation
    listed: dict[str, list[str]] = {}
    for domain, table in re.findall(r'<h2 id="(\w+)"><a class="dot.*?</h2>(.*?)</table>', page, re.DOTALL):
        listed[domain] = re.findall(r'<td><a href="datasets/(\w+)\.html">', table)
    assert list(listed) == [domain.name for domain in catalog.domains]
    for domain in catalog.domains:
        assert listed[domain.name] == [dataset.name for dataset in domain.datasets]
    assert sorted(name for names in listed.values() for name in names) == sorted(published)
    assert f"{len(published)} datasets in the schema" in page
    assert page.count("<strong>deprecated") == sum(
        bool(dataset.deprecated_from) for dataset in catalog.datasets.values()
    )


def test_the_site_of_a_server_speaks_of_that_server(server_site: Path, site: Path) -> None:
    """Without ROAR there is no word of its datasets; with stored facts none of rows of this moment alone."""
    pages = pages_of(server_site)
    assert not [path for path in pages if "roar" in path]
    assert "41 datasets in the schema" in pages["index.html"].words
    assert "56 datasets in the schema" in pages_of(site)["index.html"].words
    assert "as of the last run" in pages["index.html"].words
    assert "A query reads the operational tables as they are at that moment. How fresh" not in (
        pages["index.html"].words
    )
    assert "A query reads the operational tables as they are at that moment. How fresh" in (
        pages_of(site)["index.html"].words
    )
    assert "mailto:data@lincoln.example" in pages["datasets/students.html"].links
    for path, page in pages.items():
        assert not re.search(r"\broar_(users|user_runs|tasks)\b", page.words), path
    assert not (server_site / "charts").exists()
    assert "sample" not in pages["datasets/students.html"].ids


def test_the_dashboards_of_a_server_are_sql_alone(server_site: Path, catalog: Catalog) -> None:
    """Titles and queries are there, and no number of anybody's school."""
    html = (server_site / "dashboards.html").read_text(encoding="utf-8")
    visuals = [visual for dashboard in catalog.dashboards for visual in dashboard.visuals]
    assert html.count('<section class="tile ') == len(visuals) >= 24
    assert html.count("<pre") == len(visuals)
    for sign in ('class="number"', "<img", "<table", "of the demo"):
        assert sign not in html


def test_datasets_and_metrics_name_the_dashboards_that_show_them(site: Path, catalog: Catalog) -> None:
    pages = pages_of(site)
    shown: dict[str, set[str]] = {}
    for dashboard in catalog.dashboards:
        for visual in dashboard.visuals:
            link = f"../dashboards.html#{dashboard.name}-{visual.name}"
            for dataset in re.findall(rf"\b{catalog.schema}\.(\w+)", visual.sql(catalog.schema)):
                shown.setdefault(f"datasets/{dataset}.html", set()).add(link)
            if visual.metric:
                shown.setdefault(f"metrics/{visual.metric}.html", set()).add(link)
    assert len(shown) >= 20
    for path, page in pages.items():
        links = {link for link in page.links if re.match(r"\.\./dashboards\.html#\w+-\w+$", link)}
        assert links == shown.get(path, set()), path


def test_consumers_and_access(compiled_manifest: dict[str, Any], catalog: Catalog) -> None:
    current = {dataset.name for dataset in catalog.datasets.values() if not dataset.deprecated_from}
    assert {consumer.kind for consumer in catalog.consumers} == {"dashboard", "notebook", "application"}
    assert set().union(*(consumer.datasets for consumer in catalog.consumers)) == current
    for node in compiled_manifest["nodes"].values():
        if node["resource_type"] == "model":
            assert node["group"] == "catalog"
            # semantic models, which are in no group, may not read what is private
            access = {"datasets": "public", "metrics": "protected"}.get(node["fqn"][1], "private")
            assert node["access"] == access, node["name"]


def test_no_link_is_broken(each_site: Path) -> None:
    site = each_site
    pages = pages_of(site)
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), f"an id twice on {path}"
        for link in page.links:
            if link.startswith("mailto:"):
                continue
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


def test_nothing_asks_another_host(each_site: Path) -> None:
    for path in each_site.rglob("*"):
        if path.suffix not in (".html", ".css", ".js", ".svg") or path.parent.name == "dbt":
            continue
        text = (
            path.read_text()
            .replace("http://www.w3.org/2000/svg", "")
            .replace("http://www.w3.org/1999/xlink", "")
        )
        asked = re.findall(
            r"""(?:(?:src|href|action|poster)\s*=\s*["']?|url\(["']?|@import\s+["']?)\s*((?:[a-z]+:)?//\S*)""",
            text,
        )
        assert not asked, path
        # a map in the search's library has a method fetch; the tests in a browser see that nothing is asked
        assert path.parent.name == "vendor" or not re.search(
            r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts)\b", text
        ), path
        assert path.suffix != ".html" or "default-src 'none'" in text


def test_pages_have_landmarks_and_names(site: Path) -> None:
    for path, page in pages_of(site).items():
        assert sorted(page.landmarks) == ["footer", "header", "main", "nav"], path
        assert not page.unnamed, path
        levels = page.heading_levels
        assert levels.count(1) == 1, path
