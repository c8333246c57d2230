"""timeback load: files of standard formats into the operational tables."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from timeback_analytics.commands._options import target_option
from timeback_analytics.load import Report, formats, load

# Shorter steps are over before anybody could read their bar.
_WORTH_A_BAR = 2_000
_COUNTS = ("inserted", "updated", "unchanged", "removed", "older")


class _Bars:
    """Progress of the longer steps, as bars on stderr; nothing where that is no terminal."""

    @contextmanager
    def step(self, label: str, length: int) -> Iterator[Callable[[int], None]]:
        """See timeback_analytics.load.progress.Progress."""
        if length < _WORTH_A_BAR or not sys.stderr.isatty():
            yield lambda count: None
            return
        with click.progressbar(length=length, label=f"{label:<40}", file=sys.stderr) as bar:
            yield bar.update


def _list_formats(context: click.Context, parameter: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not context.resilient_parsing:
        click.echo(_formats_text())
        context.exit()


def _formats_text() -> str:
    return "\n".join(
        f"  {form.name:<10} {form.description}:\n{'':<13}{form.accepts}"
        + (f"\n{'':<13}--whole: {form.whole}" if form.whole else "")
        for form in formats().values()
    )


@click.command(epilog=f"\b\nFormats:\n{_formats_text()}")
@click.argument("format", type=click.Choice(list(formats())), metavar="FORMAT")
@click.argument("path", type=click.Path(path_type=Path))
@target_option
@click.option("--schema", help="Schema of the operational tables.  [default: operational; on server, public]")
@click.option("--dry-run", is_flag=True, help="Check and compare everything, and write nothing.")
@click.option(
    "--whole",
    is_flag=True,
    help="What is loaded is all that there is: mark as tobedeleted what is stored and not listed any more.",
)
@click.option("--yes", "-y", is_flag=True, help="Write to a server without asking.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_formats,
    help="Say what can be loaded.",
)
def command(
    format: str, path: Path, target: str, schema: str | None, dry_run: bool, whole: bool, yes: bool
) -> None:
    """Load the file or folder PATH, which is of FORMAT, into the operational tables.

    All of it is loaded, or where something is wrong with it, nothing. A second load of the same changes
    nothing.
    """

    def run(dry_run: bool) -> Report:
        return load(format, path, target, schema=schema, dry_run=dry_run, whole=whole, progress=_Bars())

    if target == "server" and not dry_run and not yes:
        if not _can_ask():
            raise click.ClickException(
                "Nobody can be asked here. Say --yes to write to a server, --dry-run to try."
            )
        report = run(dry_run=True)
        if report.changes:
            _ask(report)
    _show(run(dry_run), target, schema)


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _ask(report: Report) -> None:
    """Go on only when the user has seen what would happen to the server, and wants it."""
    click.echo(_table(report))
    for note in report.notes:
        click.echo(f"\nNote: {note}")
    click.confirm(f"Write this to {report.where}?", abort=True)


def _show(report: Report, target: str, schema: str | None) -> None:
    click.echo(f"{report.what}\n")
    click.echo(_table(report))
    for note in report.notes:
        click.echo(f"\nNote: {note}")
    if report.dry_run:
        click.echo(f"\nA dry run: nothing was written to {report.where}.")
    elif not report.changes:
        click.echo(f"\nNothing to do: {report.where} has all of this already.")
    else:
        dbt_run = "dbt run" if target == "embedded" else "dbt run --target server"
        click.echo(f"\nWritten to {report.where}.")
        if schema:
            click.echo(f"Views over that schema: {dbt_run} --vars 'source_schema: {schema}'")
        else:
            click.echo(f"The published views show it at once; where there are none yet: {dbt_run}")


def _table(report: Report) -> str:
    """The counts of each table that the file has rows for, lined up."""
    tables = [table for table in report.tables if any(getattr(table, count) for count in _COUNTS)]
    if not tables:
        return "It has no rows."
    shown = [count for count in _COUNTS if any(getattr(table, count) for table in tables)]
    width = max(len(table.table) for table in tables)
    lines = [" " * width + "".join(f"{count:>12}" for count in shown)]
    lines += [
        f"{table.table:<{width}}" + "".join(f"{getattr(table, count):>12,}" for count in shown)
        for table in tables
    ]
    if "older" in shown:
        lines.append("older: left as they are, since the database has a later modification date.")
    return "\n".join(lines)
