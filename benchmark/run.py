"""What a caller's query costs at the size of a platform, beside other forms of the same answer.

`make bench` builds 200 schools, 50,000 students, 5 million attempts, 4 million scores and 5 million events
in an embedded server of its own (.timeback/benchmark, kept for the next time), deploys the catalog there,
and prints the time and the plan's buffers of each form, as ratios to the published view's in the same run:
machines differ, ratios less. Among the forms is the catalog's own materialized mode (stored_facts), deployed
beside the live one; what its refresh costs after changes is measured on a copy of the database.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psycopg
from grid import Grid, measure, over_budget
from parquet import ParquetFile
from scale_data import code_of, load_scale_data

from stored_mode import StoredRefreshes
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.project import project_root, state_dir
from timeback_analytics.server import EmbeddedServer

HERE = Path(__file__).resolve().parent
SCHEMA = "operational"
ONE_SCHOOL = "md5('school5')::uuid::text"
# a school's tables are read by index: a scan of one of these from end to end is what must not happen
HISTORY = {"caliper_attempt", "caliper_event", "caliper_score", "caliper_session", "one_roster_role"}


@dataclass(frozen=True)
class Form:
    """A way to answer: what it is called, the view to ask, and the role to ask as (None: the owner)."""

    name: str
    view: str
    role: str | None = None


@dataclass(frozen=True)
class Cost:
    """What a query took: seconds, 8 KiB buffers touched, rows, and the history tables scanned whole."""

    seconds: float
    buffers: int
    rows: int
    scans: frozenset[str]


OURS = Form("attempts (published view)", "analytics.attempts")
STORED_SCHEMA = "stored"
STORED = Form("attempts (stored facts)", f"{STORED_SCHEMA}.attempts")
# in materialized mode, a school's attempts take this part of the live view's time at most
STORED_RATIO = 0.1
BOUND = Form("attempts, as a role bound to the school", "analytics.attempts", "benchmark_bound")
OTHERS = (
    BOUND,
    Form("naive: people joined to everybody's facts", "benchmark.naive_join"),
    Form("naive: a subquery on each row", "benchmark.subquery_a_row"),
    Form("row-level security policy", "benchmark.row_level_security", "benchmark_reader"),
)
QUESTIONS = {
    "one school": "",
    "one student of it": "where student_id = md5('student{student}')::uuid",
    "one session of it": "where session_id = 'urn:uuid:' || md5('session{student}/3')::uuid",
    "one day of it": "where date = '2025-09-04'",
}


def plan_nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of an EXPLAIN (format json) plan, the given one first."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from plan_nodes(child)


def explain(connection: psycopg.Connection, query: str) -> Cost:
    """Run a query under EXPLAIN ANALYZE and give its cost, planning included."""
    (explained,) = connection.execute(
        f"explain (analyze, buffers, timing off, format json) {query}"
    ).fetchone()
    result = explained[0]
    root = result["Plan"]
    return Cost(
        seconds=(result["Execution Time"] + result["Planning Time"]) / 1000,
        buffers=root["Shared Hit Blocks"] + root["Shared Read Blocks"],
        rows=round(root["Actual Rows"] * root["Actual Loops"]),
        scans=frozenset(
            node["Relation Name"]
            for node in plan_nodes(root)
            if node["Node Type"] == "Seq Scan"
            and node["Actual Loops"] > 0
            and node["Relation Name"] in HISTORY
        ),
    )


def ask(dsn: str, form: Form, scope: str, where: str, repeats: int, timeout: str) -> Cost | None:
    """The median cost of a question to a form, after one run that warms the caches.

    Args:
        dsn: the database.
        form: which form is asked.
        scope: SQL for the value of app.allowed_org_ids.
        where: the question, a WHERE clause or nothing.
        repeats: measured runs.
        timeout: statement_timeout of each, such as "60s".

    Returns:
        The cost, or None when a run reached the timeout.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set jit = off")
        connection.execute(f"set statement_timeout = '{timeout}'")
        connection.execute(f"select set_config('app.allowed_org_ids', {scope}, false)")
        if form.role:
            connection.execute(f"set role {form.role}")
        query = f"select * from {form.view} {where}"
        try:
            if repeats > 1:
                explain(connection, query)
            costs = [explain(connection, query) for _ in range(repeats)]
        except psycopg.errors.QueryCanceled:
            return None
    return Cost(
        seconds=statistics.median(cost.seconds for cost in costs),
        buffers=round(statistics.median(cost.buffers for cost in costs)),
        rows=costs[0].rows,
        scans=frozenset().union(*(cost.scans for cost in costs)),
    )


CHANGES = {
    "new": (
        """insert into caliper_attempt (
            id, assignee_id, assignable_id, count,
            started_at_time, ended_at_time, date_created, date_last_modified
        )
        select
            'new {rows} ' || n, md5('student' || 1 + n * 7919 % {students})::uuid, 'resource {rows} ' || n, 1,
            now(), now(), now(), now()
        from generate_series(1, {rows} / 2) as n""",
        """insert into caliper_score (id, attempt_id, score_given, max_score, date_created)
        select 'new {rows} ' || n, 'new {rows} ' || n, 1, 1, now()
        from generate_series(1, {rows} / 4) as n""",
        """insert into caliper_event (id, type, action, generated_id, session_id, event_time)
        select
            'new {rows} ' || n, 'AssessmentItemEvent', 'Completed', 'new {rows} ' || n, 'session ' || n, now()
        from generate_series(1, {rows} / 4) as n""",
    ),
    "corrected": (
        """update caliper_attempt set duration = 'PT50S' where id in (
            select 'urn:uuid:' || md5('attempt' || 1 + n * 7919 % {students} || '/' || n % 19)::uuid
            from generate_series(1, {rows} / 2) as n
        )""",
        """update caliper_score set score_given = 1 - score_given where id in (
            select 'urn:uuid:' || md5('score' || 1 + n * 7919 % {students} || '/' || n % 4)::uuid
            from generate_series(1, {rows} / 2) as n
        )""",
    ),
    "deleted": (
        """delete from caliper_score where id in (
            select 'urn:uuid:' || md5('score' || 1 + n * 7919 % {students} || '/' || n % 4)::uuid
            from generate_series(1, {rows}) as n
        )""",
    ),
}
"""Ways to change history: SQL for `rows` rows, spread over all students."""


def deploy(server: EmbeddedServer, database: str, schema: str = "analytics", *arguments: str) -> Path:
    """`dbt run` of this project into the benchmark's database.

    Args:
        server: the benchmark's.
        database: where to.
        schema: the published schema.
        arguments: further ones of dbt's.

    Returns:
        dbt's target folder.

    Raises:
        click.ClickException: dbt fails; its output is shown.
    """
    root = project_root()
    folder = state_dir() / "benchmark-dbt"
    folder.mkdir(exist_ok=True)
    target = folder / f"target-{schema}"
    (folder / "profiles.yml").write_text((root / "profiles.yml.example").read_text())
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "TIMEBACK_"))
    }
    result = subprocess.run(
        [
            Path(sys.executable).with_name("dbt"),
            "run",
            "--project-dir",
            root,
            "--target-path",
            target,
            "--log-path",
            folder / "logs",
            *arguments,
        ],
        env={
            **environment,
            "DBT_PROFILES_DIR": str(folder),
            "TIMEBACK_EMBEDDED_HOST": str(server.socket_dir),
            "TIMEBACK_EMBEDDED_DATABASE": database,
            "TIMEBACK_SCHEMA": schema,
        },
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise click.ClickException(f"dbt run failed:\n{result.stdout}")
    return target


def refresh_seconds(
    dsn: str, refreshes: StoredRefreshes, students: int, rows: int, change: str
) -> dict[str, float]:
    """Seconds that bringing each stored model up to date takes after a change; all of it is rolled back.

    Args:
        dsn: a database with the catalog in materialized mode.
        refreshes: those of that catalog.
        students: how many students the database has.
        rows: how many operational rows change; with 0 nothing does.
        change: which way, a key of CHANGES.
    """
    seconds = {}
    with psycopg.connect(dsn) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(f"set local search_path = {SCHEMA}")
        connection.execute("set local jit = off")
        for statement in CHANGES[change] if rows else ():
            connection.execute(statement.format(rows=rows, students=students))
        for model, script in refreshes.scripts.items():
            with connection.transaction(force_rollback=True):
                started = time.monotonic()
                connection.execute(script)
                seconds[model] = time.monotonic() - started
        connection.rollback()
    return seconds


def prepare(
    server: EmbeddedServer, sizes: dict[str, int], *, stored: bool = True
) -> tuple[str, StoredRefreshes | None]:
    """A database with scale data of these sizes, the catalog and the other forms; what exists is kept.

    With `stored`, the catalog is there a second time, in materialized mode, as schema `stored`.

    Returns:
        Its name, and with `stored` how that one is refreshed.
    """
    database = "scale_" + "_".join(str(size) for size in sizes.values())
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        exists = connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone()
        if not exists:
            # under another name until it is whole, so that an interrupted load is never measured
            connection.execute("drop database if exists loading with (force)")
            connection.execute("create database loading")
            click.echo(
                f"Loading scale data ({', '.join(f'{size:,} {name}' for name, size in sizes.items())}):"
            )
            with psycopg.connect(server.dsn("loading"), autocommit=True) as loading:
                with loading.transaction():
                    create_operational_schema(loading, SCHEMA)
                loading.execute(f"set search_path = {SCHEMA}")
                load_scale_data(loading, sizes)
                loading.execute("vacuum analyze")
            connection.execute(f"alter database loading rename to {database}")
    click.echo("Deploying the catalog ...")
    deploy(server, database)
    refreshes = None
    if stored:
        click.echo(
            "Deploying it beside, in materialized mode; the first time this works out every attempt ..."
        )
        target = deploy(server, database, STORED_SCHEMA, "--vars", "{stored_facts: true}")
        refreshes = StoredRefreshes.of(target, database, STORED_SCHEMA)
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        connection.execute(f"set search_path = {SCHEMA}")
        connection.execute(code_of(HERE / "other_forms.sql"))
    return database, refreshes


def show(ours: Cost | None, other: Cost | None, timeout: str) -> str:
    """One cell: seconds and buffers, with the ratio to ours."""
    if other is None:
        return f"over {timeout}"
    text = f"{other.seconds * 1000:>9,.1f} ms {other.buffers:>11,} buffers"
    if ours is not None and other is not ours:
        text += f"   x{other.seconds / ours.seconds:,.1f} time"
        text += f", x{other.buffers / max(ours.buffers, 1):,.1f} buffers"
    return text


def _asking(dsn: str, scope: str | None, timeout: str) -> psycopg.Connection:
    """A connection whose scope is the value of this SQL, without parallel query and compiled plans.

    Who asks for a list is an ordinary reader, whose plans are shorter than those of who may see everybody.
    """
    connection = psycopg.connect(dsn, autocommit=True)
    for setting, value in (
        ("jit", "off"),
        ("max_parallel_workers_per_gather", "0"),
        ("statement_timeout", timeout),
    ):
        connection.execute("select set_config(%s, %s, false)", [setting, value])
    if scope is not None:
        connection.execute(f"select set_config('app.allowed_org_ids', {scope}, false)")
        if scope != "'*'":
            connection.execute("set role benchmark_asker")
    return connection


@click.command()
@click.option("--schools", default=200, show_default=True)
@click.option("--students", default=50_000, show_default=True)
@click.option("--attempts-per-student", default=100, show_default=True)
@click.option("--sessions-per-student", default=10, show_default=True)
@click.option(
    "--repeats", default=3, show_default=True, help="Measured runs of each question; the median is printed."
)
@click.option("--timeout", default="120s", show_default=True, help="Longest that one query may take.")
@click.option("--everyone/--no-everyone", default=True, help="Ask as an unrestricted caller too.")
@click.option("--stored/--no-stored", default=True, help="Measure the materialized mode too.")
@click.option("--grid/--no-grid", default=True, help="Measure every dataset, against budget.yml.")
@click.option("--questions/--no-questions", default=True, help="Ask; without, measure refreshes alone.")
@click.option(
    "--changed", default="0,100,10000,100000", show_default=True, help="Changed rows to refresh it after."
)
def main(
    schools: int,
    students: int,
    attempts_per_student: int,
    sessions_per_student: int,
    repeats: int,
    timeout: str,
    everyone: bool,
    stored: bool,
    grid: bool,
    questions: bool,
    changed: str,
) -> None:
    """Measure what one school's attempts cost on a large platform, beside other forms of the same."""
    sizes = {
        "schools": schools,
        "students": students,
        "attempts_per_student": attempts_per_student,
        "sessions_per_student": sessions_per_student,
    }
    server = EmbeddedServer(
        state_dir() / "benchmark",
        {
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "1GB",
            "max_wal_size": "4GB",
            "work_mem": "64MB",
            "maintenance_work_mem": "256MB",
        },
    )
    server.start()
    failures: list[str] = []
    try:
        database, refreshes = prepare(server, sizes, stored=stored)
        dsn = server.dsn(database)
        student = 4 + schools  # of school 5
        for question, where in QUESTIONS.items() if questions else ():
            where = where.format(student=student)
            click.echo(f"\n{question}")
            ours = ask(dsn, OURS, ONE_SCHOOL, where, repeats, timeout)
            click.echo(f"  {OURS.name:<44}{show(ours, ours, timeout)}")
            if ours is None:
                failures.append(f"{question}: over {timeout}")
                continue
            if ours.scans:
                failures.append(f"{question}: reads {', '.join(sorted(ours.scans))} from end to end")
            for form in ((STORED,) if stored else ()) + OTHERS:
                other = ask(dsn, form, ONE_SCHOOL, where, repeats if form in (STORED, BOUND) else 1, timeout)
                click.echo(f"  {form.name:<44}{show(ours, other, timeout)}")
                if form is BOUND and other is not None and other.scans:
                    failures.append(f"{question}: {form.name} reads {', '.join(sorted(other.scans))}")
                if other is not None and other.rows != ours.rows:
                    failures.append(f"{question}: {form.name} gives {other.rows} rows, the view {ours.rows}")
                if (
                    form is STORED
                    and where == ""
                    and not (other and other.seconds <= STORED_RATIO * ours.seconds)
                ):
                    failures.append(f"{question}: {form.name} takes more than {STORED_RATIO} of the time")
        if grid:
            click.echo("\nthe grid: ours / the peer, milliseconds of the server's CPU")
            failures += over_budget(
                measure(
                    Grid(
                        lambda scope: _asking(dsn, scope, timeout),
                        schools,
                        repeats,
                        ParquetFile(dsn, state_dir() / "benchmark" / f"{database}.parquet"),
                    )
                )
            )
        if everyone and questions:
            click.echo("\neverybody, as an unrestricted caller")
            for question, where in {
                "one student": QUESTIONS["one student of it"],
                "one session": QUESTIONS["one session of it"],
                "all": "",
            }.items():
                cost = ask(dsn, OURS, "'*'", where.format(student=student), 1, timeout)
                click.echo(f"  {question:<44}{show(cost, cost, timeout)}")
        if refreshes:
            click.echo("\nbringing the stored facts up to date")
            for change in CHANGES:
                for rows in map(int, changed.split(",")):
                    if rows or change == next(iter(CHANGES)):
                        seconds = refresh_seconds(dsn, refreshes, students, rows, change)
                        parts = ", ".join(f"{part} {spent:.2f}" for part, spent in seconds.items())
                        what = f"{rows:,} rows {change}"
                        click.echo(f"  {what:<44}{sum(seconds.values()):>9,.2f} s   {parts}")
    finally:
        server.stop()
    if failures:
        raise click.ClickException("not as promised:\n  " + "\n  ".join(failures))
    if questions:
        click.echo(
            "\nNo history table was read from end to end for one school, and every form gave as many rows."
        )


if __name__ == "__main__":
    main()
