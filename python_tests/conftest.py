"""Fixtures that every test may use: a server, databases on it, the catalog built by dbt, dbt itself.

The server is a PostgreSQL of the tests' own in a temporary folder, never the checkout's. With xdist
each worker has one. Its roles belong to the whole server; its databases are each test's own.
"""

import contextlib
import gc
import json
import os
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql

import scope_rows
from browser import Browser
from dbt_in_process import Finished, run_dbt
from older_server import either_server, older_server
from server_kit import without_settings
from timeback_analytics.demo import build_demo
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

# what dbt has read of the project is a great many objects, which stay: Python is to look through them for
# cycles less often than it does by itself, which takes a fifth of a process's time
gc.set_threshold(100_000, 20, 100)

ROOT = Path(__file__).resolve().parents[1]
__all__ = ["either_server", "older_server"]


class Dbt(Protocol):
    """Run dbt against a database of the test server and give what it printed."""

    def __call__(
        self,
        database: str,
        *arguments: str,
        check: bool = True,
        env: dict[str, str] | None = None,
        project: Path = ROOT,
    ) -> Finished:
        """Run `dbt *arguments` on target `embedded` in this checkout's project.

        Args:
            database: the database, with the operational tables in schema `operational`.
            arguments: dbt's own, for example "run", "--select", "students".
            check: whether a failing dbt fails the test, showing dbt's output.
            env: environment variables beside the usual ones, for example {"TIMEBACK_SCHEMA": "other"}.
            project: the folder of another project than this checkout's; dbt's target is in it.

        Returns:
            What came of it; returncode and stdout are those of the command line.
        """
        ...


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """A temporary folder for the session with a short path, which a server run by root can reach too.

    pytest's own folders are closed to other users, and long.
    """
    path = Path(tempfile.mkdtemp(prefix="tb-", dir="/tmp")).resolve()
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def embedded_server(short_tmp: Path) -> Iterator[EmbeddedServer]:
    """A running server of the session's own, quick and careless about a crash. Stopped at the end.

    embedded_server.dsn(database, user) is a connection string for it.
    """
    settings = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
    server = EmbeddedServer(short_tmp / "pgdata", settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def new_database(embedded_server: EmbeddedServer) -> Iterator[Callable[..., str]]:
    """Make a database: new_database("name") or new_database("name", template="other") gives its name.

    An existing one of that name is replaced. All of them are dropped at the end of the session.
    """
    made: list[str] = []

    def run(statement: str, **names: str) -> None:
        with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
            conn.execute(
                sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in names.items()})
            )

    def make(name: str, template: str = "template1") -> str:
        run("drop database if exists {name} with (force)", name=name)
        run("create database {name} template {template}", name=name, template=template)
        made.append(name)
        return name

    yield make
    for name in made:
        run("drop database if exists {name} with (force)", name=name)


@pytest.fixture(scope="session")
def dbt(embedded_server: EmbeddedServer, short_tmp: Path) -> Dbt:
    """dbt against the test server; see Dbt for how to call it.

    It has a profile and a target folder of the session's own, so that it neither reads nor changes the
    checkout's. manifest.json and run_results.json are written by parse, compile and docs, or for
    --write-json: writing them costs more than what most commands here do.
    """
    profiles_dir = short_tmp / "profiles"
    profiles_dir.mkdir()
    shutil.copy(ROOT / "profiles.yml.example", profiles_dir / "profiles.yml")

    def run(
        database: str,
        *arguments: str,
        check: bool = True,
        env: dict[str, str] | None = None,
        project: Path = ROOT,
    ) -> Finished:
        is_ours = project == ROOT
        writes = not is_ours or arguments[0] in ("parse", "compile", "docs") or "--write-json" in arguments
        done = run_dbt(
            *arguments,
            *(() if writes else ("--no-write-json",)),
            project=project,
            profiles=profiles_dir,
            target_path=(short_tmp if is_ours else project) / "target",
            env={
                **without_settings(),
                "TIMEBACK_EMBEDDED_HOST": str(embedded_server.socket_dir),
                "TIMEBACK_EMBEDDED_DATABASE": database,
                **(env or {}),
            },
        )
        if check and done.returncode != 0:
            pytest.fail(
                f"dbt {' '.join(arguments)} ends with {done.returncode}:\n{done.stdout}", pytrace=False
            )
        return done

    return run


@pytest.fixture(scope="session")
def parsed(dbt: Dbt, short_tmp: Path) -> dict[str, dict[str, Any]]:
    """What dbt writes when it parses this project on target `embedded`, by file name; needs no database."""
    dbt("catalog_template", "parse")
    names = ("manifest.json", "semantic_manifest.json")
    return {name: json.loads((short_tmp / "target" / name).read_text()) for name in names}


@pytest.fixture(scope="session")
def manifest(parsed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """dbt's manifest of this project (manifest.json)."""
    return parsed["manifest.json"]


@pytest.fixture(scope="session")
def semantic_manifest(parsed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """dbt's semantic_manifest.json of this project: semantic models and metrics."""
    return parsed["semantic_manifest.json"]


@pytest.fixture(scope="session")
def catalog_template(embedded_server: EmbeddedServer, new_database: Callable[..., str], dbt: Dbt) -> str:
    """The name of a database with empty operational tables and, over them, the whole catalog.

    The tables are in schema `operational`, the published views in `analytics`, the rest in
    `analytics_internal`. Only to be copied: connect to catalog_database instead.
    """
    name = new_database("catalog_template")
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        create_operational_schema(conn, "operational")
    dbt(name, "run")
    return name


@pytest.fixture(scope="session")
def shared_catalog(request: pytest.FixtureRequest) -> str:
    """A connection string of a catalog over empty operational tables, for tests that roll back what they do.

    TIMEBACK_CATALOG_DSN names a database to use instead of a new one, with the operational tables in the
    schema `operational` and the catalog in `analytics`; on a server of another version, for example.
    """
    if given := os.environ.get("TIMEBACK_CATALOG_DSN"):
        return given
    template = request.getfixturevalue("catalog_template")
    name = request.getfixturevalue("new_database")("catalog_shared", template=template)
    return request.getfixturevalue("embedded_server").dsn(name)


@pytest.fixture(scope="session")
def people_database(
    embedded_server: EmbeddedServer, catalog_template: str, new_database: Callable[..., str]
) -> str:
    """The name of a database with the catalog over the people of scope_rows. Only to be read, or copied."""
    name = new_database("catalog_people", template=catalog_template)
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        scope_rows.fill(conn, "operational")
    return name


@pytest.fixture
def catalog_database(catalog_template: str, new_database: Callable[..., str]) -> str:
    """The name of a database of the test's own: a copy of catalog_template, made in a fraction of a second.

    Fill the operational tables and read the views: psycopg.connect(embedded_server.dsn(catalog_database)).
    Views with org_ids show nothing until `set app.allowed_org_ids = ...`.
    """
    return new_database("catalog_copy", template=catalog_template)


@pytest.fixture
def catalog(embedded_server: EmbeddedServer, catalog_database: str) -> Iterator[psycopg.Connection]:
    """A connection to catalog_database as superuser, in autocommit, `operational` first in search_path."""
    with psycopg.connect(embedded_server.dsn(catalog_database), autocommit=True) as conn:
        conn.execute("set search_path = operational, analytics")
        yield conn


@pytest.fixture(scope="session")
def demo_database(
    embedded_server: EmbeddedServer, catalog_template: str, new_database: Callable[..., str]
) -> str:
    """The name of a database with the demo under the whole catalog. Only to be read and copied."""
    name = new_database("demo_built", template=catalog_template)
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        assert build_demo(connection=conn).is_new
    return name


@pytest.fixture
def tcp_port(embedded_server: EmbeddedServer) -> Iterator[int]:
    """A port of this machine's that leads to the test server, which itself has a socket alone."""

    class ToTheSocket(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(str(embedded_server.socket_dir / ".s.PGSQL.5432"))
                back = threading.Thread(target=self.pass_on, args=(server, self.request), daemon=True)
                back.start()
                self.pass_on(self.request, server)
                back.join()

        def pass_on(self, source: socket.socket, goal: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    goal.sendall(data)
                goal.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), ToTheSocket) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy.server_address[1]
        proxy.shutdown()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands out tests file by file, and those of the documentation site together: they share two sites."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return str(Path(file).parent) if Path(file).parent.name == "docs_site" else file

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take long first, so that no process is still at one when the others are done."""
    items.sort(key=lambda item: item.get_closest_marker("takes_long") is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what test_coverage.py has counted, whichever process it ran in."""
    lines = [
        line
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, line in report.user_properties
        if name == "coverage"
    ]
    if lines:
        terminalreporter.section("coverage of the catalog (timeback coverage: dataset by dataset)")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture
def visit(tmp_path: Path) -> Browser:
    """Open a page in Chromium: visit(path, anchor, width=, height=, picture=, theme=)."""
    return Browser(tmp_path)
