"""What the pages show of rows, and what they say of personal data."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from docs_site.conftest import Make
from docs_site.page import pages_of
from timeback_analytics.docs.catalog import Catalog
from timeback_analytics.docs.guides import read_guides
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long


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


def test_guides_say_what_happens(
    reader: psycopg.Connection, embedded_server: EmbeddedServer, demo_database: str, catalog: Catalog
) -> None:
    """Every query of a guide works; of the page on failures each does what stands under it."""
    tried = 0
    for guide in read_guides(catalog.schema):
        blocks = re.findall(r"```sql\n(.*?)```(?:\s*```text\n(.*?)```)?", guide.text, re.DOTALL)
        if guide.name != "failing":
            for query, _ in blocks:
                if "set app." not in query:
                    assert reader.execute(query).description, (guide.name, query)
                    tried += 1
            continue
        assert len(blocks) >= 8
        for query, says in blocks:
            tried += 1
            with psycopg.connect(embedded_server.dsn(demo_database), autocommit=True) as conn:
                conn.execute("set role timeback_reader")
                organization = "(select id::text from analytics.schools order by student_count desc limit 1)"
                conn.execute(f"select set_config('app.allowed_org_ids', {organization}, false)")
                statements = [statement for statement in query.split(";") if statement.strip()]
                try:
                    for statement in statements:
                        cursor = conn.execute(statement)
                    answer = str(cursor.fetchone()[0])
                except psycopg.Error as error:
                    answer = str(error)
            assert says.strip() in answer, (query, answer)
    assert tried >= 15


def test_only_the_demos_rows_are_shown(
    make_site: Make, embedded_server: EmbeddedServer, demo_database: str, new_database: Callable[..., str]
) -> None:
    """One row of somebody else's, and the pages show none; counts where they are asked for."""
    name = new_database("demo_and_a_child", template=demo_database)
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute(
            "insert into operational.one_roster_user (id, given_name, family_name, email, status,"
            " date_created, date_last_modified)"
            " values (gen_random_uuid(), 'Realchild', 'Byname', 'r@example.org', 'active',"
            " now(), now())"
        )
        students = conn.execute(
            "select count(distinct held.user_id) from operational.one_roster_role as held"
            " inner join operational.one_roster_user as person on held.user_id = person.id"
            " where held.role = 'student'"
        ).fetchone()[0]
    folder = make_site("mixed-docs", name, "--target", "embedded", "--count-rows")
    page = pages_of(folder)["datasets/students.html"]
    assert "sample" not in page.ids
    assert f"{students:,} in all" in page.words
    assert not (folder / "charts").exists()
    assert 'class="number"' not in (folder / "dashboards.html").read_text()
    assert not any("Realchild" in path.read_text() for path in folder.rglob("*.html"))


def test_rows_of_the_demo(site: Path, reader: psycopg.Connection, catalog: Catalog) -> None:
    pages = pages_of(site)
    for dataset in catalog.datasets.values():
        assert "sample" in pages[f"datasets/{dataset.name}.html"].ids, dataset.name
        if not dataset.scope:
            count = reader.execute(f"select count(*) from analytics.{dataset.name}").fetchone()[0]
            assert f"{count:,} in all" in pages[f"datasets/{dataset.name}.html"].words


def test_what_is_personal_says_so(catalog: Catalog, compiled_manifest: dict[str, Any]) -> None:
    """Whatever is read from a table of persons, or stands in a dataset of persons, names its kind."""
    tables = {source["name"]: source for source in compiled_manifest["sources"].values()}
    names_of_people = {
        "user_id",
        "student_id",
        "assignee_id",
        "actor_id",
        "credential_subject_id",
        "given_name",
    }
    for name, table in tables.items():
        if names_of_people & set(table["columns"]):
            assert name in catalog.personal_sources, name
    assert "roar_document" in catalog.personal_sources
    for dataset in catalog.datasets.values():
        for column in dataset.columns:
            sources = {source.split(".")[0] for source in column.lineage}
            about_people = bool(dataset.scope or dataset.scope_when)
            where = f"{dataset.name}.{column.name}"
            if about_people or sources & catalog.personal_sources:
                assert column.pii, where
            if about_people:
                assert column.pii != "none", where
            if column.pii == "none":
                assert sources & catalog.personal_sources == {"roar_document"}, where
            if re.fullmatch(r"(student|user|guest|session)_id", column.name):
                assert column.pii == "identifier", where
            if re.search("name|email|birth", column.name) and about_people:
                assert column.pii in ("directory", "staff", "education_record"), where


def test_personal_data_are_listed(site: Path, catalog: Catalog) -> None:
    links = pages_of(site)["personal-data.html"].links
    marked = {
        f"datasets/{dataset.name}.html#column-{column.name}"
        for dataset in catalog.datasets.values()
        for column in dataset.columns
        if column.pii not in ("", "none")
    }
    assert marked <= set(links)


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
