"""The command line, the profile that it writes, and plain dbt commands that start the server."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import psycopg
import pytest
from click.testing import CliRunner

from dbt_in_process import run_dbt
from server_kit import without_settings
from timeback_analytics import commands
from timeback_analytics.cli import main
from timeback_analytics.connection import connect, connection_string, operational_schema
from timeback_analytics.errors import TimebackError
from timeback_analytics.profile import write_profile
from timeback_analytics.project import project_root
from timeback_analytics.server import EmbeddedServer, server_of

pytestmark = pytest.mark.takes_long

ROOT = Path(__file__).resolve().parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(short_tmp: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A small project of the same name with one model, in a folder of its own; its server is stopped."""
    path = short_tmp / f"{request.node.name[:30]} checkout"
    (path / "models").mkdir(parents=True)
    (path / "models" / "one.sql").write_text("select 1 as one\n")
    (path / "dbt_project.yml").write_text(
        "name: timeback_analytics\nprofile: timeback_analytics\nflags: {send_anonymous_usage_stats: false}\n"
    )
    shutil.copy(ROOT / "profiles.yml.example", path)
    yield path
    server_of(path).stop()
    shutil.rmtree(path)


@pytest.fixture
def run(checkout: Path) -> Run:
    """Run `timeback ...` or `dbt ...` in that project, as a user does: run("timeback", "server", "start")."""

    def run_in_checkout(
        program: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        start = {
            "timeback": [sys.executable, "-m", "timeback_analytics.cli"],
            "dbt": [Path(sys.executable).with_name("dbt"), "--no-use-colors"],
        }
        return subprocess.run(
            [*start[program], *arguments],
            cwd=checkout,
            env={
                **without_settings(),
                "PYTHONPATH": str(ROOT / "src"),
                "TIMEBACK_PROJECT_DIR": str(checkout),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run_in_checkout


def said(result: subprocess.CompletedProcess[str]) -> str:
    """All that a command printed, in one line."""
    return " ".join((result.stdout + result.stderr).split())


def dbt_here(checkout: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """`dbt ...` in that project, without a process of its own: its exit code, and what it says."""
    env = {**without_settings(), "TIMEBACK_PROJECT_DIR": str(checkout), **environment}
    target = checkout / "target"
    done = run_dbt(*arguments, project=checkout, profiles=checkout, target_path=target, env=env)
    return done.returncode, " ".join(f"{done.stdout} {done.result.exception}".split())


def _help_pages(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    """(name, help) of a command, and of those below it."""
    context = click.Context(command, info_name=name)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from _help_pages(f"{name} {below}", command.get_command(context, below))


def test_no_summary_in_help_is_cut():
    pages = dict(_help_pages("timeback", main))
    assert len(pages) > 12
    assert [name for name, page in pages.items() if "..." in page.partition("Commands:")[2]] == []


def postmaster_pid(checkout: Path) -> str:
    return (server_of(checkout).data_dir / "postmaster.pid").read_text().split()[0]


def command_names() -> list[str]:
    return main.list_commands(click.Context(main))


def test_commands_are_found_by_themselves() -> None:
    modules = {path.stem for path in Path(commands.__path__[0]).glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in command_names()} == modules
    assert {"server", "setup", "status"} <= modules


@pytest.mark.parametrize("name", command_names())
def test_every_command_says_what_it_does(name: str) -> None:
    overview = CliRunner().invoke(main, ["--help"]).output
    assert name in overview
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_unknown_command_is_named() -> None:
    result = CliRunner().invoke(main, ["sevrer"])
    assert result.exit_code == 2
    assert "sevrer" in result.output


def test_an_error_is_one_message_without_a_traceback(run: Run) -> None:
    result = run("timeback", "server", "status", TIMEBACK_PROJECT_DIR="/nonexistent")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: There is no dbt_project.yml in /nonexistent.")
    assert "Traceback" not in result.stderr


def test_project_is_the_checkout_of_the_package(
    monkeypatch: pytest.MonkeyPatch, checkout: Path, tmp_path: Path
) -> None:
    monkeypatch.delenv("TIMEBACK_PROJECT_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert project_root() == ROOT
    monkeypatch.setenv("TIMEBACK_PROJECT_DIR", str(checkout))
    assert project_root() == checkout


def test_server_from_start_to_stop(run: Run, checkout: Path) -> None:
    status = run("timeback", "server", "status")
    assert status.returncode == 3
    assert "Not running" in status.stdout
    assert "was not running" in run("timeback", "server", "stop").stdout

    start = run("timeback", "server", "start")
    assert start.returncode == 0, start.stderr
    pid = postmaster_pid(checkout)
    again = run("timeback", "server", "start")
    assert again.stdout == start.stdout == run("timeback", "server", "status").stdout
    assert postmaster_pid(checkout) == pid

    url = run("timeback", "server", "url").stdout.strip()
    assert url in start.stdout
    with psycopg.connect(url) as conn:
        assert conn.execute("select current_database(), current_user").fetchone() == ("timeback", "postgres")
        conn.execute("create role reader login")

    with psycopg.connect(run("timeback", "server", "url", "--role", "reader").stdout.strip()) as conn:
        assert conn.execute("select current_user").fetchone() == ("reader",)
    assert "--tcp" in run("timeback", "server", "url", "--tcp").stderr

    assert run("timeback", "server", "stop").stdout == "Stopped.\n"
    assert run("timeback", "server", "status").returncode == 3


def test_psql_takes_role_arguments_and_settings(run: Run) -> None:
    result = run("timeback", "server", "psql", "--", "-XAtc", "create role reader login")
    assert result.returncode == 0, result.stderr
    result = run(
        "timeback",
        "server",
        "psql",
        "--user",
        "reader",
        "--",
        "-XAt",
        "-c",
        "select current_user",
        "-c",
        "\\q",
    )
    assert result.stdout == "reader\n"
    setting = "show app.allowed_org_ids"
    result = run("timeback", "server", "psql", "--", "-XAtc", setting, PGOPTIONS="-c app.allowed_org_ids=abc")
    assert result.stdout == "abc\n"
    result = run("timeback", "server", "psql", "--", "-Xc", "select 1/0")
    assert result.returncode == 1
    assert "division by zero" in result.stderr


def test_tcp_is_chosen_and_left_off(run: Run, checkout: Path) -> None:
    pid = None
    for port in ("54329", "54330"):
        result = run("timeback", "server", "start", "--tcp", port)
        assert result.returncode == 0, result.stderr
        assert f"127.0.0.1:{port}" in result.stdout
        assert postmaster_pid(checkout) != pid, "the port counts from the start of a server alone"
        pid = postmaster_pid(checkout)
        url = run("timeback", "server", "url", "--tcp").stdout.strip()
        with psycopg.connect(url) as conn:
            assert conn.info.port == int(port)
    # the profile's port on the socket stays what it was
    assert run("timeback", "server", "psql", "--", "-XAtc", "select 1").stdout == "1\n"
    run("timeback", "server", "start", "--tcp", "54330")
    assert postmaster_pid(checkout) == pid
    assert "127.0.0.1" not in run("timeback", "server", "start", "--no-tcp").stdout
    assert run("timeback", "server", "start", "--tcp", "--no-tcp").returncode == 2


def test_setup_writes_the_profile_and_leaves_a_users_changes(checkout: Path, run: Run) -> None:
    profile = checkout / "profiles.yml"
    socket_dir = str(server_of(checkout).socket_dir)
    assert "is made" in run("timeback", "setup").stdout
    written = profile.read_text()
    assert socket_dir in written
    assert "SOCKET_FOLDER" not in written
    assert "left as it is" in run("timeback", "setup").stdout

    changed = written.replace("threads: 4", "threads: 8").replace(socket_dir, "/tmp/timeback-elsewhere")
    profile.write_text(changed)
    assert "socket folder" in run("timeback", "setup").stdout
    assert profile.read_text() == changed.replace("/tmp/timeback-elsewhere", socket_dir)

    of_the_user = "timeback_analytics: {target: mine, outputs: {mine: {type: postgres}}}\n"
    profile.write_text(of_the_user)
    assert "left as it is" in write_profile(checkout, Path("/tmp/other"))
    assert profile.read_text() == of_the_user


def test_example_profile_has_one_place_for_the_socket_folder() -> None:
    assert (ROOT / "profiles.yml.example").read_text().count("SOCKET_FOLDER") == 1


def test_dbt_starts_the_server_and_makes_the_database(run: Run, checkout: Path) -> None:
    run("timeback", "setup")
    result = run("dbt", "run")
    assert result.returncode == 0, said(result)
    pid = postmaster_pid(checkout)
    with psycopg.connect(server_of(checkout).dsn()) as conn:
        assert conn.execute("select * from analytics.one").fetchone() == (1,)
    result = run("dbt", "build", TIMEBACK_EMBEDDED_DATABASE="another", TIMEBACK_SCHEMA="elsewhere")
    assert result.returncode == 0, said(result)
    assert postmaster_pid(checkout) == pid
    with psycopg.connect(server_of(checkout).dsn("another")) as conn:
        assert conn.execute("select * from elsewhere.one").fetchone() == (1,)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["ls"], {}),
        (["parse"], {}),
        (["run", "--target", "server"], {"PGHOST": "/nonexistent"}),
        (["run"], {"TIMEBACK_EMBEDDED_HOST": "/nonexistent"}),
    ],
)
def test_dbt_starts_nothing_that_it_does_not_need(
    run: Run, checkout: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    run("timeback", "setup")
    code, told = dbt_here(checkout, *arguments, **environment)
    assert not server_of(checkout).is_running()
    if environment:
        assert "/nonexistent" in told
    else:
        assert code == 0, told


def test_dbt_starts_nothing_where_the_environment_names_a_server(run: Run, checkout: Path) -> None:
    run("timeback", "setup")
    result = run("dbt", "run", DBT_TARGET="server", PGHOST="/nonexistent")
    assert not server_of(checkout).is_running() and "/nonexistent" in said(result)


def test_dbt_in_another_project_starts_nothing(run: Run, checkout: Path) -> None:
    run("timeback", "setup")
    project = checkout / "dbt_project.yml"
    project.write_text(project.read_text().replace("name: timeback_analytics", "name: another"))
    assert "No such file or directory" in dbt_here(checkout, "run")[1]
    assert not server_of(checkout).is_running()


def test_dbt_says_when_the_profile_is_another_checkouts(run: Run, checkout: Path) -> None:
    run("timeback", "setup")
    profile = checkout / "profiles.yml"
    profile.write_text(profile.read_text().replace(str(server_of(checkout).socket_dir), "/tmp/timeback-gone"))
    code, told = dbt_here(checkout, "run")
    assert code != 0
    assert "/tmp/timeback-gone" in told
    assert "timeback setup" in told
    assert not server_of(checkout).is_running()


def test_status_before_and_after(run: Run) -> None:
    assert "does not run" in run("timeback", "status").stdout
    view = "create schema analytics; create view analytics.one as select 1"
    run("timeback", "server", "psql", "--", "-Xc", view)
    assert "1, in schema analytics" in said(run("timeback", "status"))


def test_connection_to_the_embedded_target(
    embedded_server: EmbeddedServer, new_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_database("embedded_connection")
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", name)
    with connect("embedded", autocommit=True) as conn:
        assert conn.info.dbname == name
        assert conn.autocommit
    assert "dbname=postgres" in connection_string("embedded", dbname="postgres")


def test_connection_to_a_server_is_libpqs(
    embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("PGPORT", "5432")
    monkeypatch.setenv("PGUSER", "postgres")
    monkeypatch.setenv("PGDATABASE", "postgres")
    with connect("server") as conn:
        assert conn.info.dbname == "postgres"
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(TimebackError, match="PGHOST"):
        connect("server")


def test_unknown_target_is_named() -> None:
    for ask in (operational_schema, connection_string, connect):
        with pytest.raises(TimebackError, match="no target prod; the targets are embedded and server"):
            ask("prod")
    assert operational_schema("embedded") == "operational"
    assert operational_schema("server") == "public"
