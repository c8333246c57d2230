"""What the tests of docs/copies.md share: a catalog to copy, what its roles see, the recipes of the page."""

import json
import os
import pwd
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from conftest import ROOT
from small_project import SmallProject
from timeback_analytics.cli import main

NORTH, SOUTH = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
READER, BOUND, EVERYONE, DEPLOYER = (f"copies_{name}" for name in ("reader", "bound", "everyone", "deployer"))


@dataclass
class Copies:
    """A small catalog on a server, its roles, and the commands that work on it and on copies of it."""

    project: SmallProject
    state: Path
    environment: pytest.MonkeyPatch

    def timeback(self, host: Path, *arguments: str, user: str = "postgres") -> Result:
        """A command on the server whose socket is in this folder, as libpq's variables name it."""
        for name, value in (("HOST", str(host)), ("USER", user), ("DATABASE", "platform")):
            self.environment.setenv(f"PG{name}", value)
        return CliRunner().invoke(main, [*arguments, "--target", "server"])

    def job(self, host: Path, user: str = "postgres") -> Result:
        """`timeback job --target server`; of the steps, those that make and look at the catalog."""
        line = ("job", "--state", str(self.state), "--no-tests", "--no-check", "--no-rows")
        return self.timeback(host, *line, user=user)

    def step(self, name: str) -> dict[str, Any]:
        """A step of the last job."""
        report = json.loads((self.state / "latest" / "report.json").read_text())
        return next(step for step in report["steps"] if step["name"] == name)

    @property
    def audit(self) -> tuple[str, ...]:
        """`timeback audit`, with what dbt has read of the project."""
        return ("audit", "--manifest", str(self.project.folder / "target" / "manifest.json"))

    def deploy(self, host: Path) -> None:
        """A platform's table, the catalog, a role that is bound, one that is not, and one for everybody."""
        with psycopg.connect(host=str(host), user="postgres", dbname="postgres", autocommit=True) as conn:
            conn.execute("create database platform")
        with psycopg.connect(host=str(host), user="postgres", dbname="platform", autocommit=True) as conn:
            conn.execute(
                """create table public.thing
                (id int primary key, name text, seen_at timestamptz default now());
                insert into public.thing (id, name) values (1, 'north'), (2, 'south'), (3, 'nobody''s')"""
            )
            green(self.job(host))
            bound = self.timeback(host, "bind", BOUND, NORTH, "--create")
            assert bound.exit_code == 0, bound.output
            conn.execute(f"create role {READER} login in role timeback_reader")
            conn.execute(f"create role {EVERYONE} login in role timeback_reader, timeback_unrestricted")
            conn.execute(f"alter role {EVERYONE} in database platform set app.allowed_org_ids = '*'")


def green(done: Result) -> str:
    """The output of a job that must be green."""
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    return done.output


def answers(host: Path, roles: tuple[str, ...] = (READER, BOUND, EVERYONE)) -> dict[tuple[str, str], object]:
    """What each role is shown for each setting, its own default among them, or the error that it gets."""
    found: dict[tuple[str, str], object] = {}
    for role in roles:
        for asked in ("", NORTH, SOUTH, "*"):
            try:
                with psycopg.connect(host=str(host), user=role, dbname="platform") as conn:
                    if asked:
                        conn.execute("select set_config('app.allowed_org_ids', %s, false)", [asked])
                    rows = conn.execute("select id from analytics.scoped_things order by id").fetchall()
                    found[role, asked] = [number for (number,) in rows]
            except psycopg.Error as error:
                found[role, asked] = type(error).__name__
    return found


RIGHT = {
    **dict(zip([(READER, asked) for asked in ("", NORTH, SOUTH)], ([], [1], [2]), strict=True)),
    (READER, "*"): "InsufficientPrivilege",
    **dict(zip([(BOUND, asked) for asked in ("", NORTH, SOUTH, "*")], ([1], [1], [], [1]), strict=True)),
    **dict(
        zip([(EVERYONE, a) for a in ("", NORTH, SOUTH, "*")], ([1, 2, 3], [1], [2], [1, 2, 3]), strict=True)
    ),
}


def recipe(title: str, **places: object) -> str:
    """The commands of a section of docs/copies.md but for our own; words such as `old` become real places."""
    page = (ROOT / "docs" / "copies.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^## {title}\n.*?```sh\n(.*?)```", page, re.DOTALL | re.MULTILINE)[:1]
    for word, place in places.items():
        block = re.sub(rf"(?<![\w-])/?{word}\b", shlex.quote(str(place)), block)
    return "".join(line + "\n" for line in block.splitlines() if not line.startswith("timeback "))


def unsynced(commands: str) -> str:
    """The same without waiting for the disk."""
    return re.sub(r"\b(pg_basebackup|initdb|pg_upgrade) ", r"\1 --no-sync ", commands)


def run(commands: str, bin_dir: Path, folder: Path, user: str = "") -> str:
    """Run commands in a shell that stops at the first one that fails."""
    as_user: dict[str, object] = {}
    if user and os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    path = f"{bin_dir}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", commands],
        cwd=folder,
        env={"PATH": path, "PGUSER": "postgres", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        **as_user,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
    return done.stdout
