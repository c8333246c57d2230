"""Deploys the catalog again and again under readers, and kills jobs at random moments. `make soak` runs it.

Over the demo's data, on a server of its own. Three parts, each with readers who read every published view and
a view of somebody else's on top of each, round and round:

redeploys: each run changes every view; every fifth one also changes columns of a model behind the datasets,
    and every fifth changes nothing at all.
kills: a job is killed (SIGKILL) at a random moment, then the next one must be green.
two at once: of two jobs that begin together one runs and the other ends with its exit code.

With --stored the catalog stores its heavy facts, and operational rows change all the time. Half of the kills
then fall while the database is at a refresh, and after each next job the datasets must be those of a catalog
of live views beside it.

One more reader reads from a hot standby all the time. What PostgreSQL cancels there because a view was
replaced is asked again; at the end the standby must show what its primary shows.

Exits with 1 when a reader met an error or an empty answer, or a job did not end as it should.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import psycopg
from dbt.cli.main import dbtRunner

from project_copy import copy_project
from soak.readers import Readers, relations_with_rows
from soak.standby import Standby
from soak.writer import Writer
from stored_mode import StoredRefreshes
from timeback_analytics.demo import build_demo
from timeback_analytics.server import EmbeddedServer

DATABASE = "soak"
CHANGING_MODEL = "int_students"
"""A model behind many datasets, whose columns change."""
AT_A_REFRESH = ("int_attempt_stored", "int_xp_total_stored", "int_insight_stored")
"""Texts of statements with which a run brings stored facts up to date."""


class Soak:
    """A server with the demo, a copy of the project, and what went wrong."""

    def __init__(self, home: Path, seed: int, *, stored: bool) -> None:
        settings = {"fsync": "off", "shared_buffers": "128MB"}
        self.server = EmbeddedServer(home / "pgdata", settings)
        self.standby = Standby(self.server, home)
        self.variables = {"stored_facts": True} if stored else {}
        self.stored: StoredRefreshes | None = None
        self.project = copy_project(home / "project")
        shutil.copy(self.project / "profiles.yml.example", self.project / "profiles.yml")
        self.state = home / "jobs"
        self.problems: list[str] = []
        self.chance = random.Random(seed)
        os.environ.update(
            TIMEBACK_EMBEDDED_HOST=str(self.server.socket_dir),
            TIMEBACK_EMBEDDED_DATABASE=DATABASE,
            TIMEBACK_PROJECT_DIR=str(self.project),
            PYTHONPATH=str(self.project / "src"),
        )
        os.environ.pop("DBT_PROFILES_DIR", None)

    def open(self) -> None:
        """Start the server, fill it, deploy, and put somebody else's view on each published one."""
        self.server.start()
        self.server.ensure_database(DATABASE)
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            build_demo(connection=conn)
        if self.variables:
            self._store()
        self.expect(0, self.job("--no-tests", "--no-check"), "the first job")
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            self.relations = relations_with_rows(conn, "analytics")
            (views,) = conn.execute("select count(*) from pg_views where schemaname = 'analytics'").fetchone()
            if len(self.relations) < views:
                self.problems.append(f"{views - len(self.relations)} of {views} views show no row to readers")
            conn.execute("create schema somebody_else")
            for relation in self.relations:
                name = relation.split(".")[1]
                conn.execute(f"create view somebody_else.{name} as select * from {relation}")
        self.relations += [one.replace("analytics.", "somebody_else.") for one in self.relations]
        self.oids = self.view_oids()
        self.standby.start()

    def _store(self) -> None:
        """Live views as schema `live`, stored facts in `analytics`."""
        run = ["run", *self._dbt_arguments()]
        for schema, variables in {"live": {}, "analytics": {"stored_facts": True}}.items():
            os.environ["TIMEBACK_SCHEMA"] = schema
            done = dbtRunner().invoke([*run, "--vars", json.dumps(variables)])
            if not done.success:
                raise SystemExit(f"the first deploy of {schema} failed: {done.exception or done.result}")
        os.environ.pop("TIMEBACK_SCHEMA")
        self.stored = StoredRefreshes.of(self.project / "target", DATABASE)

    def _dbt_arguments(self) -> list[str]:
        arguments = ["--quiet", "--log-level-file", "none", "--project-dir", str(self.project)]
        return [*arguments, "--profiles-dir", str(self.project), "--target", "embedded"]

    def _with_variables(self, **more: object) -> tuple[str, str]:
        """The option that names dbt's variables: those of the mode, and more."""
        return "--vars", json.dumps({**self.variables, **more})

    @property
    def dsn(self) -> str:
        return self.server.dsn(DATABASE)

    def view_oids(self) -> dict[str, int]:
        """{view: oid} of everything that readers see."""
        with psycopg.connect(self.dsn) as conn:
            return dict(
                conn.execute(
                    "select oid::regclass::text, oid::bigint from pg_class where relkind = 'v' "
                    "and relnamespace in ('analytics'::regnamespace, 'somebody_else'::regnamespace)"
                ).fetchall()
            )

    def start_job(self, *arguments: str, **variables: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "timeback_analytics.cli", "job", "--state", self.state),
                # the last redeploy may have left a column that the project itself has not
                *("--replace-columns", *self._with_variables(**variables), *arguments),
            ],
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def job(self, *arguments: str) -> tuple[int, str]:
        """A whole job: exit code and what it printed."""
        process = self.start_job(*arguments)
        output, _ = process.communicate()
        return process.returncode, output

    def expect(self, code: int, ended: tuple[int, str], what: str) -> None:
        if ended[0] != code:
            self.problems.append(f"{what} ended with {ended[0]}, not {code}:\n{ended[1]}")
            print(self.problems[-1], flush=True)

    def judge(self, part: str, readers: Readers, took: float) -> None:
        """Say what the readers saw, and whether every view is the one that it was."""
        print(f"{part}, in {took:.0f} s: {readers.verdict()}", flush=True)
        self.problems += [f"{part}: {one}" for one in (*readers.errors[:10], *readers.empty[:10])]
        if self.view_oids() != self.oids:
            self.problems.append(f"{part}: a view is not the one that it was")

    def judge_standby(self, readers: Readers) -> None:
        """Say what the standby's readers saw, and whether it shows what the primary does."""
        print(f"On the standby: {readers.verdict()}", flush=True)
        found = (*readers.errors[:10], *readers.empty[:10])
        self.problems += [f"on the standby: {one}" for one in found]
        self.problems += self.standby.differences(DATABASE, self.relations, ["*", ""])

    def redeploys(self, count: int) -> None:
        """Deploy so often, in this process, with what dbt knows of the project changed in between."""
        arguments = self._dbt_arguments()
        variables = self._with_variables(replace_columns=True)
        manifest = dbtRunner().invoke(["parse", *arguments, *variables]).result
        models = [node for node in manifest.nodes.values() if node.resource_type == "model"]
        plain = {node.unique_id: node.raw_code for node in models}
        outcomes: dict[str, int] = {}
        started = time.monotonic()
        with Readers(self.dsn, self.relations) as readers:
            for number in range(1, count + 1):
                for node in models:
                    if number % 5 != 4:
                        node.raw_code = f"{plain[node.unique_id]}\n-- redeploy {number}"
                    # appended on one run, which can be done in place, and gone on the next, which cannot
                    if node.name == CHANGING_MODEL and number % 5 == 0:
                        node.raw_code = (
                            f"select model.*, {number} as extra from (\n{node.raw_code}\n) as model"
                        )
                done = dbtRunner(manifest=manifest).invoke(["run", *arguments, *variables])
                if not done.success:
                    self.problems.append(f"redeploy {number}: {done.exception or ''} {done.result}")
                for one in done.result.results if done.result else ():
                    if one.node.resource_type == "model":
                        outcomes[one.message] = outcomes.get(one.message, 0) + 1
                print(f"redeploy {number}: {readers.verdict()}", flush=True)
        self.judge(
            f"{count} redeploys of {len(models)} views ({outcomes})", readers, time.monotonic() - started
        )
        if not {"replaced", "columns replaced", "unchanged"} <= outcomes.keys() and count >= 6:
            self.problems.append(f"the redeploys were not of every kind: {outcomes}")
        with psycopg.connect(self.dsn) as conn:
            (left,) = conn.execute(
                "select count(*) from pg_class where relname like '%\\_\\_set\\_aside\\_%'"
            ).fetchone()
        if left:
            self.problems.append(f"{left} views that were set aside are still there")

    def kills(self, count: int) -> None:
        """Kill jobs at random moments, each of which has something to deploy; the next must be green.

        Most of a job that deploys is dbt reading the project: every second moment is drawn from what follows.
        """
        self._change(0)
        began = time.monotonic()
        self.expect(
            0, self.job("--no-tests", "--no-check", "--no-rows"), "the job that tells how long one takes"
        )
        usual = time.monotonic() - began
        moments: dict[str, int] = {}
        commits = 0
        with Readers(self.dsn, self.relations, pause=0.05) as readers:
            number = 0
            while number < count:
                number += 1
                self._change(number)
                with Writer(self.dsn, "operational", self.chance) if self.stored else nullcontext() as writer:
                    moment = self._kill(number, usual)
                commits += writer.commits if writer else 0
                if moment is None:
                    # it was too quick for the moment: one more
                    number -= 1
                    continue
                moments[moment] = moments.get(moment, 0) + 1
                print(f"kill {number}, {moment}; {readers.verdict()}", flush=True)
                self.expect(
                    0, self.job("--no-tests", "--no-check", "--no-rows"), f"the job after kill {number}"
                )
                if self.stored:
                    with psycopg.connect(self.dsn, autocommit=True) as conn:
                        found = self.stored.differences(conn, ["*"])
                    self.problems += [f"after kill {number}, stored and live: {one}" for one in found]
        written = f", {commits:,} commits to operational tables" if self.stored else ""
        self.judge(f"{count} kills ({moments}){written}", readers, time.monotonic() - began)
        self.expect(0, self.job(), "the job with every step")

    def _kill(self, number: int, usual: float) -> str | None:
        """Start a job and kill it.

        Args:
            number: the how-many-eth kill it is.
            usual: seconds that such a job takes.

        Returns:
            When it was killed, in words; None when the job had ended before.
        """
        process = self.start_job("--no-check", "--select", "source:*")
        started = time.monotonic()
        before = ""
        at_refresh = ""
        if number % 2 == 0 and self.stored:
            at_refresh = self.chance.choice(AT_A_REFRESH)
            self._wait_for(at_refresh, process)
            wait = self.chance.uniform(0, 0.05)
        else:
            while number % 2 == 0 and not re.search("^project ", before, re.MULTILINE):
                before += process.stdout.readline()
                if process.poll() is not None:
                    break
            behind = time.monotonic() - started if before else 0
            wait = self.chance.uniform(0, max(usual - behind, 1))
        try:
            output, _ = process.communicate(timeout=wait)
            self.expect(0, (process.returncode, before + output), f"the job that ended before kill {number}")
            return None
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        if at_refresh:
            return f"at {at_refresh.strip('(')}"
        done = re.findall(r"^(\w+) +(?:ok|warning|failed|skipped) ", before + output, re.M)
        return f"after {done[-1]}" if done else "before the first step was done"

    def _wait_for(self, text: str, process: subprocess.Popen[str]) -> None:
        """Until the server runs a statement with this text, or the job has ended."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            while (
                process.poll() is None
                and not conn.execute(
                    "select 1 from pg_stat_activity where state = 'active' and position(%s in query) > 0"
                    " and pid <> pg_backend_pid()",
                    [text],
                ).fetchone()
            ):
                time.sleep(0.001)

    def _change(self, number: int) -> None:
        for path in (self.project / "models" / "datasets").rglob("*.sql"):
            text = path.read_text().split("\n-- change ")[0]
            path.write_text(f"{text}\n-- change {number}\n")

    def two_at_once(self) -> None:
        """Two jobs begin together; a reader of a view keeps either from ending before the other was there."""
        self._change(-1)
        with psycopg.connect(self.dsn) as reader:
            reader.execute("select from analytics.students limit 0")
            jobs = [self.start_job("--no-tests", "--no-check", deploy_lock_seconds=600) for _ in range(2)]
            while all(one.poll() is None for one in jobs):
                time.sleep(0.1)
        ended = [(one.communicate()[0], one.returncode) for one in jobs]
        codes = sorted(code for _, code in ended)
        print(f"Two jobs at once end with {codes}", flush=True)
        if codes != [0, 3]:
            self.problems.append(f"two jobs at once ended with {codes}: {ended}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redeploys", type=int, default=50, help="50 by default")
    parser.add_argument("--kills", type=int, default=20, help="20 by default")
    parser.add_argument("--stored", action="store_true", help="with stored facts")
    parser.add_argument("--seed", type=int, default=7, help="of the random moments")
    options = parser.parse_args(arguments)
    home = Path(tempfile.mkdtemp(prefix="tbs-", dir="/tmp")).resolve()
    # a server that root has run by another user must reach its own folder
    home.chmod(0o711)
    soak = Soak(home, options.seed, stored=options.stored)
    try:
        soak.open()
        print(f"Reading {len(soak.relations)} views, half of them somebody else's on top", flush=True)
        far = Readers(soak.standby.dsn(DATABASE), soak.relations, number=1, pause=0.05, on_standby=True)
        with far:
            if options.redeploys:
                soak.redeploys(options.redeploys)
            if options.kills:
                soak.kills(options.kills)
            soak.two_at_once()
        soak.judge_standby(far)
    finally:
        soak.standby.stop()
        soak.server.stop()
        shutil.rmtree(home, ignore_errors=True)
    for problem in soak.problems:
        print(problem)
    print("Nobody noticed." if not soak.problems else f"{len(soak.problems)} problems.")
    return 1 if soak.problems else 0


if __name__ == "__main__":
    sys.exit(main())
