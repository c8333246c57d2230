"""Two sites: the demo's, with rows and charts, and that of a server without ROAR, with stored facts."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from dbt.adapters.factory import cleanup_connections

from dbt_in_process import environment, parsed_file
from demo_reader import become_reader
from server_kit import without_settings
from timeback_analytics.cli import main
from timeback_analytics.docs.catalog import Catalog, Lineage, read_catalog
from timeback_analytics.server import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[..., Path]


@pytest.fixture(scope="session")
def make_site(embedded_server: EmbeddedServer, dbt: Callable, short_tmp: Path) -> Make:
    """make_site(name, database, *arguments): what `timeback docs` makes, beside dbt's own files of it."""

    def make(name: str, database: str, *arguments: str) -> Path:
        folder = short_tmp / name
        known = parsed_file(ROOT, *arguments)
        env = {
            **without_settings(),
            "DBT_PROFILES_DIR": str(short_tmp / "profiles"),
            "DBT_LOG_PATH": str(short_tmp / "logs"),
            **({"DBT_PARTIAL_PARSE_FILE_PATH": str(known)} if known.is_file() else {}),
            "TIMEBACK_EMBEDDED_HOST": str(embedded_server.socket_dir),
            "TIMEBACK_EMBEDDED_DATABASE": database,
            "PGHOST": str(embedded_server.socket_dir),
            "PGDATABASE": database,
            "PGUSER": "postgres",
        }
        line = ["docs", *arguments, "--target-path", str(folder), "--output", str(folder / "site")]
        with environment(env):
            result = CliRunner().invoke(main, line)
            cleanup_connections()
        assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
        assert str(folder / "site" / "index.html") in result.output
        return folder / "site"

    return make


@pytest.fixture(scope="session")
def site(make_site: Make, demo_database: str) -> Path:
    """The site of the demo, as the command line makes it."""
    return make_site("embedded-docs", demo_database, "--target", "embedded")


@pytest.fixture(scope="session")
def server_site(make_site: Make, catalog_template: str) -> Path:
    """The site of a server without ROAR, with stored facts, whose owner said who they are."""
    variables = "{stored_facts: true, owner_email: data@lincoln.example}"
    return make_site("server-docs", catalog_template, "--target", "server", "--vars", variables)


@pytest.fixture(scope="session")
def compiled_manifest(site: Path) -> dict[str, Any]:
    """dbt's manifest of the demo's site."""
    return json.loads((site.parent / "manifest.json").read_text())


@pytest.fixture(scope="session")
def lineage(site: Path) -> Lineage:
    """The lineage beside that manifest."""
    return json.loads((site.parent / "lineage.json").read_text())


@pytest.fixture(scope="session")
def catalog(site: Path, compiled_manifest: dict[str, Any], lineage: Lineage) -> Catalog:
    """What the site is made of."""
    semantic_manifest = json.loads((site.parent / "semantic_manifest.json").read_text())
    return read_catalog(compiled_manifest, lineage, semantic_manifest)


@pytest.fixture(params=["demo", "server"])
def each_site(request: pytest.FixtureRequest) -> Path:
    """The demo's site, and that of a server without ROAR."""
    return request.getfixturevalue("site" if request.param == "demo" else "server_site")


@pytest.fixture
def reader(embedded_server: EmbeddedServer, demo_database: str) -> Iterator[psycopg.Connection]:
    """A connection as a reader whose scope is the demo's three largest schools, and ROAR's districts."""
    with psycopg.connect(embedded_server.dsn(demo_database), autocommit=True) as conn:
        become_reader(conn)
        yield conn
