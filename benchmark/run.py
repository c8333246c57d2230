"""What a caller's query costs at the size of a platform, beside other forms of the same answer.

`make bench` builds 200 schools, 50,000 students, 5 million attempts, 4 million scores and 5 million events
in an embedded server of its own (.timeback/benchmark, kept for the next time), deploys the catalog there,
and prints the time and the plan's buffers of each form, as ratios to the published view's in the same run:
machines differ, ratios less. Among the forms is the catalog's own materialized mode (stored_facts), deployed
beside the live one; what its refresh costs after changes is measured on a copy of the database.
"""

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import click
import psycopg
from grid import Grid, measure, over_budget
from parquet import ParquetFile
from prepare import STORED_SCHEMA, prepare
from refreshes import measure_refreshes

from timeback_analytics.project import state_dir
from timeback_analytics.server import EmbeddedServer

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


def ask_each_form(
    dsn: str, forms: Iterable[Form], question: str, where: str, repeats: int, timeout: str
) -> list[str]:
    """Ask the published view and every other form, print what each costs, and return what is not as promised.

    Args:
        dsn: the database.
        forms: the forms that are asked beside the published view.
        question: the question, for a reader.
        where: the same as a WHERE clause, or nothing.
        repeats: measured runs of our own forms; the others are asked once.
        timeout: statement_timeout of each run.
    """
    click.echo(f"\n{question}")
    ours = ask(dsn, OURS, ONE_SCHOOL, where, repeats, timeout)
    click.echo(f"  {OURS.name:<44}{show(ours, ours, timeout)}")
    if ours is None:
        return [f"{question}: over {timeout}"]
    failures = []
    if ours.scans:
        failures.append(f"{question}: reads {', '.join(sorted(ours.scans))} from end to end")
    for form in forms:
        other = ask(dsn, form, ONE_SCHOOL, where, repeats if form in (STORED, BOUND) else 1, timeout)
        click.echo(f"  {form.name:<44}{show(ours, other, timeout)}")
        if form is BOUND and other is not None and other.scans:
            failures.append(f"{question}: {form.name} reads {', '.join(sorted(other.scans))}")
        if other is not None and other.rows != ours.rows:
            failures.append(f"{question}: {form.name} gives {other.rows} rows, the view {ours.rows}")
        if form is STORED and where == "" and not (other and other.seconds <= STORED_RATIO * ours.seconds):
            failures.append(f"{question}: {form.name} takes more than {STORED_RATIO} of the time")
    return failures


def ask_for_everybody(dsn: str, student: int, timeout: str) -> None:
    """Print what an unrestricted caller's questions cost."""
    click.echo("\neverybody, as an unrestricted caller")
    for question, where in {
        "one student": QUESTIONS["one student of it"],
        "one session": QUESTIONS["one session of it"],
        "all": "",
    }.items():
        cost = ask(dsn, OURS, "'*'", where.format(student=student), 1, timeout)
        click.echo(f"  {question:<44}{show(cost, cost, timeout)}")


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
        if questions:
            forms = ((STORED,) if stored else ()) + OTHERS
            for question, where in QUESTIONS.items():
                failures += ask_each_form(
                    dsn, forms, question, where.format(student=student), repeats, timeout
                )
        if grid:
            click.echo("\nthe grid: ours / the peer, milliseconds of the server's CPU")
            parquet = ParquetFile(dsn, state_dir() / "benchmark" / f"{database}.parquet")
            cells = measure(Grid(lambda scope: _asking(dsn, scope, timeout), schools, repeats, parquet))
            failures += over_budget(cells)
        if everyone and questions:
            ask_for_everybody(dsn, student, timeout)
        if refreshes:
            measure_refreshes(dsn, refreshes, students, [int(rows) for rows in changed.split(",")])
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
