"""timeback load api: the platform's own clients against a server of the tests."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from caliper_events import activity, stored, user
from click.testing import CliRunner
from test_load_oneroster_rest import answers

from timeback_analytics import platform_api
from timeback_analytics.commands import load as load_command
from timeback_analytics.errors import TimebackError
from timeback_analytics.load import LoadError
from timeback_analytics.load.api import load_api

SCRIPT = Path(__file__).with_name("client_script.py")
SRC = Path(platform_api.__file__).parents[1]
HAS_CLIENTS = "import timeback_caliper, timeback_oneroster"


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has the platform's clients."""
    candidates = [os.environ.get("TIMEBACK_CLIENTS_PYTHON"), sys.executable, "python3.12", "python3.13"]
    for candidate in filter(None, candidates):
        found = shutil.which(candidate)
        if found and not subprocess.run([found, "-c", HAS_CLIENTS], capture_output=True).returncode:
            return found
    pytest.skip(
        "no Python here has timeback-caliper and timeback-oneroster (TIMEBACK_CLIENTS_PYTHON names one)"
    )


class Platform:
    """A platform with tokens, collections in pages, and events that it takes and serves.

    Attributes:
        collections: records by collection.
        events: stored events.
        asked: query by path, of every question.
        answers_file: where `collections` is read from for each question, once it is set.
        refuses: path that is answered with 403.
    """

    def __init__(self) -> None:
        self.collections: dict[str, list[dict[str, Any]]] = {}
        self.events: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.answers_file: Path | None = None
        self.refuses = ""

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any, int]:
        """Status, body and total."""
        self.asked.append((path, query))
        if self.refuses and path.endswith(self.refuses):
            return 403, {"error": "no"}, 0
        if self.answers_file:
            self.collections = json.loads(self.answers_file.read_text())
        limit, offset = (int(query.get(name, ["0"])[0]) for name in ("limit", "offset"))
        # small pages, whatever is asked for
        limit = min(limit or 1, 1)
        if path == "/caliper/events":
            page = self.events[offset : offset + limit]
            pagination = {"total": len(self.events), "totalPages": 9, "currentPage": 1, "limit": limit}
            return 200, {"events": page, "pagination": pagination}, len(self.events)
        name = {"components": "courseComponents", "component-resources": "componentResources"}.get(
            path.rpartition("/")[2], path.rpartition("/")[2]
        )
        records = self.collections.get(name, [])
        return 200, {name: records[offset : offset + limit]}, len(records)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    platform = Platform()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if self.headers["Authorization"] != "Bearer secret-token":
                self._send(401, {"error": "no token"}, 0)
                return
            self._send(*platform.answer(parts.path, parse_qs(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                self._send(
                    200, {"access_token": "secret-token", "expires_in": 3600, "token_type": "Bearer"}, 0
                )
                return
            for number, event in enumerate(json.loads(body)["data"], len(platform.events) + 1):
                platform.events.append(stored(number, event))
            self._send(200, {"jobId": "1"}, 0)

        def _send(self, status: int, body: Any, total: int) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Total-Count", str(total))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "BASE_URL": base,
        "AUTH_URL": f"{base}/token",
        "CLIENT_ID": "me",
        "CLIENT_SECRET": "secret",
    }.items():
        monkeypatch.setenv(f"TIMEBACK_API_{name}", value)
    yield platform
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetched_by(
    python: str, platform: Platform, tmp_path: Path
) -> Callable[[Path, str | None], dict[str, int]]:
    """Fetching by the clients, in a process of a Python that has them."""

    def run(folder: Path, since: str | None, user_id: str = "") -> dict[str, int]:
        platform.answers_file = tmp_path / "answers.json"
        platform.answers_file.write_text(json.dumps(answers()))
        done = subprocess.run(
            [python, SCRIPT, platform.answers_file, folder, since or "", user_id],
            env={**os.environ, "PYTHONPATH": str(SRC)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise TimebackError(done.stderr)
        return json.loads(done.stdout)

    return run


def test_rosters_and_events_come_in(
    conn: psycopg.Connection, platform: Platform, fetched_by: Callable[..., dict[str, int]]
) -> None:
    """What an application sent by the client comes back, after the roster whose people it is about."""
    report = load_api(
        "2026-01-01", connection=conn, fetched_by=lambda folder, since: fetched_by(folder, since, "u1")
    )
    assert conn.execute("select given_name from one_roster_user order by 1").fetchall() == [
        ("Ada",),
        ("Anne",),
    ]
    assert conn.execute(
        "select u.given_name, x.value, a.name from tb_xp_ledger x join one_roster_user u on u.id = x.user_id"
        " join lti_application a on a.id = x.application_id"
    ).fetchall() == [("Ada", 12.5, "Math")]
    assert conn.execute("select count(*) from caliper_resource_relation").fetchone() == (3,)
    assert report.what.startswith("The platform's API. OneRoster over REST: 1 classes")
    assert report.what.endswith("Caliper: 1 events")
    # pages of one record, and only what is new
    asked = [query for path, query in platform.asked if path.endswith("/users")]
    assert [query["offset"] for query in asked] == [["0"], ["1"]]
    assert {query["filter"][0] for query in asked} == {"dateLastModified>='2026-01-01'"}
    assert [query["startDate"] for path, query in platform.asked if path == "/caliper/events"] == [
        ["2026-01-01"]
    ]
    again = load_api(None, connection=conn, fetched_by=fetched_by)
    assert again.changes == 0


def test_a_refusal_of_the_platform_loads_nothing(
    conn: psycopg.Connection, platform: Platform, fetched_by: Callable[..., dict[str, int]]
) -> None:
    platform.refuses = "/caliper/events"
    with pytest.raises(TimebackError, match="did not answer as asked"):
        load_api(None, connection=conn, fetched_by=fetched_by)
    assert conn.execute("select count(*) from one_roster_user").fetchone() == (0,)


# -- without the clients ---------------------------------------------------------------------------


def saved(folder: Path, rosters: bool, events: list[Any]) -> dict[str, int]:
    """What fetch would have saved."""
    for name in (platform_api.ROSTERS, platform_api.EVENTS):
        (folder / name).mkdir()
    if rosters:
        for name, records in answers().items():
            text = "".join(json.dumps(record) + "\n" for record in records)
            (folder / platform_api.ROSTERS / f"{name}.jsonl").write_text(text)
    if events:
        text = "".join(json.dumps(event) + "\n" for event in events)
        (folder / platform_api.EVENTS / "events.jsonl").write_text(text)
    return {}


@pytest.fixture
def event() -> dict[str, Any]:
    return activity("a", "2026-01-05T10:00:00Z", 1, actor=user("u1"))


def test_all_or_nothing(conn: psycopg.Connection, event: dict[str, Any]) -> None:
    """A bad event keeps the rosters out too."""
    bad = {**event, "id": "urn:b", "eventTime": "soon"}
    with pytest.raises(LoadError, match=r"events.jsonl, line 2"):
        load_api(None, connection=conn, fetched_by=lambda folder, _: saved(folder, True, [event, bad]))
    assert conn.execute("select count(*) from one_roster_user").fetchone() == (0,)
    report = load_api(
        None,
        connection=conn,
        fetched_by=lambda folder, _: saved(folder, True, [event, bad]),
        skip_bad=True,
        skip_limit=50,
    )
    assert report.skipped == 1
    assert conn.execute("select count(*) from tb_xp_ledger").fetchone() == (1,)


def test_dry_run_and_nothing_new(conn: psycopg.Connection, event: dict[str, Any]) -> None:
    report = load_api(
        None, connection=conn, dry_run=True, fetched_by=lambda folder, _: saved(folder, True, [event])
    )
    assert report.dry_run
    assert {table.table: table.inserted for table in report.tables}["tb_xp_ledger"] == 1
    assert conn.execute("select count(*) from one_roster_user").fetchone() == (0,)
    report = load_api(None, connection=conn, fetched_by=lambda folder, _: saved(folder, False, []))
    assert (report.what, report.changes) == ("The platform's API: nothing new", 0)


def test_what_is_said_wrongly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(TimebackError, match="--since is 'last week'"):
        platform_api.fetch(tmp_path, "last week")
    monkeypatch.setitem(sys.modules, "timeback_caliper", None)
    with pytest.raises(TimebackError, match=r"timeback-analytics\[api\]"):
        platform_api.fetch(tmp_path, None)
    with pytest.raises(TimebackError, match="not the whole"):
        load_api("2026-01-01", whole=True)
    runner = CliRunner()
    for arguments in (["api", "x.json"], ["caliper"], ["caliper", "x.json", "--since", "2026-01-01"]):
        result = runner.invoke(load_command.command, arguments)
        assert (result.exit_code, "FORMAT api has no PATH" in result.output) == (2, True)
