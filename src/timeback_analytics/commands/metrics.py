"""timeback metrics: the metrics of dbt's semantic layer."""

from __future__ import annotations

import csv as csv_files
import textwrap
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from timeback_analytics.artifacts import read_json
from timeback_analytics.catalog.names import ROAR_SCOPE_SETTING, SCOPE_SETTING
from timeback_analytics.commands._groups import GroupWithWholeSummaries
from timeback_analytics.commands._options import manifest_option, manifest_path, target_option
from timeback_analytics.connection import connect
from timeback_analytics.errors import TimebackError
from timeback_analytics.metrics import Metric, read_metrics
from timeback_analytics.metrics.query import GRAINS, Answer, Metrics, Question, scope_of

DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group(
    cls=GroupWithWholeSummaries,
    epilog="""\b
Examples:
  timeback metrics list
  timeback metrics query share_correct --by week --scope '*'
  timeback metrics query active_students learning_minutes --by school --scope ID,ID
  timeback metrics query waste_share --by month --from 2026-01-01 --csv waste.csv --target server

docs/metrics.md says more; each metric has a page in the documentation.
""",
)
def command() -> None:
    """Accuracy, minutes, points: numbers that are defined once, in dbt's semantic layer."""


@command.command("list")
@manifest_option
def list_metrics(manifest: Path | None) -> None:
    """List the metrics: what each means, its unit, and whether it adds up."""
    metrics = _definitions(manifest)
    for metric in metrics:
        click.secho(metric.name, bold=True)
        adds = "" if metric.additive else " Does not add up."
        click.echo(textwrap.indent(textwrap.fill(f"{metric.description} In {metric.unit}.{adds}", 96), "  "))
    click.echo(
        f"\n{len(metrics)} metrics, by {', '.join(GRAINS)}, school and more: timeback metrics query --help"
    )


@command.command()
@click.argument("names", metavar="METRIC...", nargs=-1, required=True)
@click.option(
    "--by",
    multiple=True,
    metavar="NAME",
    help="day, week, month, quarter, year, school, or MetricFlow's name, as application__name; repeatable.",
)
@click.option("--scope", help="Organizations, separated by commas, or *.  [default: what the session has]")
@click.option("--roar-scope", help="The same for ROAR's organizations.")
@click.option("--from", "start", type=DAY, help="The first day.")
@click.option("--to", "end", type=DAY, help="The last day.")
@click.option(
    "--where",
    multiple=True,
    help="A condition, such as \"{{ Dimension('session__is_proctored') }}\"; repeatable.",
)
@click.option(
    "--order", multiple=True, metavar="NAME", help="Sort by it; with a minus before it, descending."
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows.")
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False, path_type=Path), help="Write a CSV file.")
@click.option("--sql", "only_sql", is_flag=True, help="Print the query, and ask nobody.")
@target_option
@manifest_option
def query(
    names: tuple[str, ...],
    by: tuple[str, ...],
    scope: str | None,
    roar_scope: str | None,
    start: datetime | None,
    end: datetime | None,
    where: tuple[str, ...],
    order: tuple[str, ...],
    limit: int | None,
    csv_path: Path | None,
    only_sql: bool,
    target: str,
    manifest: Path | None,
) -> None:
    """Ask for metrics, and print a table.

    dbt must have read the project for the target: `dbt parse`, or any run. A session that names no
    organization is an error, and no answer of zeros: name them with --scope, or in PGOPTIONS, or take a login
    that has a scope of its own.
    """
    path = manifest_path(manifest)
    definitions = {metric.name: metric for metric in _definitions(manifest)}
    if unknown := [name for name in names if name not in definitions]:
        raise TimebackError(
            f"There is no metric {', '.join(unknown)}. The metrics: {', '.join(sorted(definitions))}."
        )
    metrics = Metrics(
        read_json(path.with_name("semantic_manifest.json"), "dbt parse"), read_json(path, "dbt parse")
    )
    # by time, the rows come in its order
    question = Question(names, by, where, start, end, order or [name for name in by if name in GRAINS], limit)
    if only_sql:
        click.echo(metrics.sql(question))
        return
    with connect(target) as conn:
        conn.read_only = True
        scope_of(conn, [(SCOPE_SETTING, scope), (ROAR_SCOPE_SETTING, roar_scope)])
        answer = metrics.answer(conn, question)
    if csv_path:
        with csv_path.open("w", newline="", encoding="utf-8") as file:
            writer = csv_files.writer(file)
            writer.writerow(answer.columns)
            writer.writerows(map(_day, row) for row in answer.rows)
        click.echo(f"{len(answer.rows)} rows in {csv_path}")
    else:
        _print(answer)
    for note in _notes(answer, [definitions[name] for name in names], by):
        click.echo(note, err=True)


def _definitions(manifest: Path | None) -> list[Metric]:
    metrics = read_metrics(read_json(manifest_path(manifest), "dbt parse"))
    if not metrics:
        raise TimebackError("The manifest lists no metric. `dbt parse` writes it again.")
    return metrics


def _print(answer: Answer) -> None:
    rows = [[_shown(value) for value in row] for row in answer.rows]
    widths = [max(map(len, column)) for column in zip(answer.columns, *rows, strict=True)]
    is_number = [
        all(value is None or isinstance(value, int | float) or hasattr(value, "as_tuple") for value in column)
        for column in zip(*answer.rows, strict=True)
    ] or [False] * len(widths)
    for row in (answer.columns, ["-" * width for width in widths], *rows):
        cells = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _day(value: Any) -> Any:
    """The day of a midnight, as which PostgreSQL gives weeks and months; anything else as it is."""
    return value.date() if isinstance(value, datetime) and value.time() == datetime.min.time() else value


def _shown(value: Any) -> str:
    value = _day(value)
    if value is None:
        return ""
    if isinstance(value, float) or hasattr(value, "as_tuple"):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return str(value)


def _notes(answer: Answer, metrics: Sequence[Metric], by: Sequence[str]) -> list[str]:
    """What to mind about an answer."""
    notes = []
    if answer.is_of_nobody:
        notes.append(
            "There is nobody in this scope: its organizations are unknown, or nobody belongs to them today."
        )
    elif not answer.rows:
        notes.append("There is nothing to count: the scope has people, and none of them has a row here.")
    if by and (single := [metric.name for metric in metrics if not metric.additive]):
        notes.append(f"{' and '.join(single)}: the rows do not add up to the whole.")
    if any("school" in name for name in by):
        notes.append("A student of two schools counts in both, and one of none today has no school.")
    return notes
