"""What a new user does first: README's SQL pasted into psql, in a terminal as small as they come."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from conftest import ROOT
from timeback_analytics import cli
from timeback_analytics.commands.server import psql_command
from timeback_analytics.errors import sentence_about
from timeback_analytics.server import EmbeddedServer


def pasted_block() -> str:
    """The SQL of README's "Who sees what"."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Who sees what")[1]
    return re.search(r"```sql\n(.*?)```", section, re.DOTALL)[1]


def in_terminal(command_line: list[str], typed: str) -> str:
    """What a program shows in a terminal of 80 x 24 when this is pasted into it, with a pager at hand."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "HOME": "/nonexistent", "PAGER": "less"}
        os.execve(command_line[0], command_line, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    ahead = typed.encode()
    shown = b""
    try:
        while True:
            readable, writable, _ = select.select([terminal], [terminal] if ahead else [], [], 60)
            if not readable and not writable:
                raise AssertionError(f"nothing happens any more after:\n{shown.decode(errors='replace')}")
            if readable:
                try:
                    piece = os.read(terminal, 65536)
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
            elif ahead:
                # a terminal takes little at a time
                ahead = ahead[os.write(terminal, ahead[:64]) :]
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "")


@pytest.fixture
def demo_copy(
    embedded_server: EmbeddedServer, demo_database: str, new_database: Callable[..., str]
) -> Iterator[str]:
    name = new_database("first_contact", template=demo_database)
    yield name
    with psycopg.connect(embedded_server.dsn(name), autocommit=True) as conn:
        conn.execute("drop owned by app cascade; drop role if exists app")


def test_the_block_pasted_into_a_terminal_says_what_the_readme_says(
    embedded_server: EmbeddedServer, demo_copy: str
) -> None:
    arguments = ("--no-psqlrc", "--no-readline")
    line = psql_command(embedded_server, demo_copy, "postgres", arguments)
    # wider and longer than the terminal: what a pager would open for, and swallow the next line
    wide = "reset role; reset app.allowed_org_ids;\nselect * from pg_settings limit 60;\n"
    wide += "select 'still here' as sign;\n"
    shown = in_terminal(line, f"{pasted_block()}{wide}\\q\n")
    assert "sign    \n------------\n still here" in shown, shown
    shown = shown.split("RESET")[0]
    with psycopg.connect(embedded_server.dsn(demo_copy)) as conn:
        conn.execute("set app.allowed_org_ids = '*'")
        everybody = conn.execute("select count(*) from analytics.students").fetchone()[0]
    # two spaces: the text that is pasted is echoed, and its comments speak of errors too
    assert shown.count("ERROR:  ") == 2, shown
    assert "app may not" in shown and '"abc", which is not an organization id' in shown
    counts = [int(count) for count in re.findall(r" count *\n-+\n +(\d+)$", shown, re.MULTILINE)]
    assert counts == [0, everybody], shown
    answers = [line for line in shown.splitlines() if "|" in line and "=>" not in line and "=#" not in line]
    # the header is behind the prompt
    assert len(answers) == 5 and max(map(len, answers)) <= 80, answers


def test_schema_sql_is_taken_by_psql(
    embedded_server: EmbeddedServer, new_database: Callable[..., str]
) -> None:
    name = new_database("schema_sql")
    path = ROOT / "src" / "timeback_analytics" / "operational" / "schema.sql"
    done = subprocess.run(
        [
            embedded_server.bin_dir / "psql",
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            embedded_server.dsn(name),
        ],
        input=path.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (psycopg.errors.DiskFull("could not extend file\nCONTEXT: x"), "disk is full"),
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"), "a standby"),
        (psycopg.errors.InsufficientPrivilege("permission denied for schema x"), "Ask an administrator"),
        (
            OSError(28, "No space left on device", "/somewhere/index.html"),
            "no room for /somewhere/index.html",
        ),
        (ValueError("what nobody foresaw"), "Something unforeseen, a fault of ours: ValueError"),
    ],
)
def test_no_traceback_reaches_a_user(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a command of ours ends with: a sentence, and exit code 1."""

    def fails(*arguments: object, **more: object) -> None:
        raise error

    monkeypatch.setattr("timeback_analytics.commands.status.project_server", fails)
    done = CliRunner().invoke(cli.main, ["status"])
    assert done.exit_code == 1
    assert said in done.output and "Traceback" not in done.output
    kept = re.search(r"with (\S+\.txt)\.$", done.output.strip())
    assert (kept is not None) == (sentence_about(error) is None)
    if kept:
        assert "what nobody foresaw" in Path(kept[1]).read_text()
        Path(kept[1]).unlink()


@pytest.mark.parametrize("path", ["build/lib/x.py", "deploy/dagster/dagster-env/bin/python", "dist/x.whl"])
def test_what_tools_leave_is_ignored(path: str) -> None:
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", path], cwd=ROOT, check=False, capture_output=True
    )
    assert done.returncode == 0
