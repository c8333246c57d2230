"""timeback load: files of standard formats into the operational tables."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from timeback_analytics.commands._options import target_option
from timeback_analytics.load import LoadError, Report, formats, load
from timeback_analytics.load.api import load_api
from timeback_analytics.load.problems import SHOWN

# Shorter steps are over before anybody could read their bar.
_WORTH_A_BAR = 2_000
# Where there is no terminal, a line so often, in seconds.
_SECONDS_A_LINE = 10
SOME_SKIPPED = 3
"""Exit code of a load that left records out."""
_API = "api"
_COUNTS = ("inserted", "updated", "unchanged", "removed", "older")


class _Bars:
    """Progress of the longer steps on stderr: bars, or where that is not a terminal a line now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    @contextmanager
    def step(self, label: str, length: int) -> Iterator[Callable[[int], None]]:
        """See timeback_analytics.load.progress.Progress."""
        if length < _WORTH_A_BAR:
            yield lambda count: None
            return
        if not sys.stderr.isatty():
            yield self._lines(label, length)
            return
        with click.progressbar(length=length, label=f"{label:<40}", file=sys.stderr) as bar:
            yield bar.update

    def _lines(self, label: str, length: int) -> Callable[[int], None]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            now = time.monotonic()
            if now - self._told >= _SECONDS_A_LINE:
                self._told = now
                click.echo(f"{label}: {min(100, 100 * done // length)}%", err=True)

        return advance


def _list_formats(context: click.Context, parameter: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not context.resilient_parsing:
        click.echo(_formats_text())
        context.exit()


def _formats_text() -> str:
    return "\n".join(
        f"  {form.name:<10} {form.description}:\n{'':<13}{form.accepts}"
        + (f"\n{'':<13}--whole: {form.whole}" if form.whole else "")
        + (f"\n{'':<13}{_options_text(form.options)}" if form.options else "")
        for form in formats().values()
    ) + (f"\n  {_API:<10} The platform's own API, by its Python clients:\n{'':<13}no PATH; --since DATE")


def _options_text(names: frozenset[str]) -> str:
    return "also: " + ", ".join(f"--{name}" for name in sorted(names))


@click.command(epilog=f"\b\nFormats:\n{_formats_text()}")
@click.argument("format", type=click.Choice([*formats(), _API]), metavar="FORMAT")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@target_option
@click.option("--schema", help="Schema of the operational tables.  [default: operational; on server, public]")
@click.option("--dry-run", is_flag=True, help="Check and compare everything, and write nothing.")
@click.option(
    "--whole",
    is_flag=True,
    help="What is loaded is all that there is: mark as tobedeleted what is stored and not listed any more.",
)
@click.option(
    "--source",
    default="",
    metavar="NAME",
    help="Name of the system that this comes from, where several have the same ids; say it in every load.",
)
@click.option(
    "--skip-bad", is_flag=True, help=f"Leave out records that cannot be loaded, and exit with {SOME_SKIPPED}."
)
@click.option(
    "--skip-limit",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="With --skip-bad, how many records may be left out.",
)
@click.option(
    "--problems",
    "problems_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV file for every record that was left out, or, of a load that is refused, everything that is "
    "wrong.  [default: PATH's name with .problems.csv, in this folder, where not all of it is shown]",
)
@click.option(
    "--max-loss",
    type=click.FloatRange(0, 100),
    default=20.0,
    show_default=True,
    metavar="PERCENT",
    help="How much of what is stored of its organizations a load may end, remove or give to others.",
)
@click.option("--encoding", metavar="NAME", help="Encoding of text files that are not in UTF-8, e.g. cp1252.")
@click.option("--version", metavar="VERSION", help="Version of the standard, where no manifest says it.")
@click.option("--collection", metavar="PATH", help="Collection of the documents, where they do not say it.")
@click.option(
    "--database", metavar="PROJECT", help="PROJECT or PROJECT/DATABASE, where an export has several."
)
@click.option(
    "--since",
    metavar="DATE",
    help=f"With FORMAT {_API}: only what happened or changed since.  [default: everything]",
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
@click.pass_context
def command(
    context: click.Context,
    format: str,
    path: Path | None,
    target: str,
    schema: str | None,
    dry_run: bool,
    yes: bool,
    problems_file: Path | None,
    since: str | None,
    **options: Any,
) -> None:
    """Load the file or folder PATH, which is of FORMAT, into the operational tables.

    All of it is loaded, or where something is wrong with it, nothing, unless you say --skip-bad. A second
    load of the same changes nothing. Exit codes: 0 loaded, 1 refused, 2 wrongly called, 3 loaded without
    some records.
    """
    if (path is None) != (format == _API) or (since is not None and format != _API):
        raise click.UsageError(
            f"FORMAT {_API} has no PATH, every other format has one; --since is only for {_API}."
        )
    file = problems_file or Path(f"{path.resolve().name if path else _API}.problems.csv")
    read = partial(load_api, since) if path is None else partial(load, format, path)

    def run(dry_run: bool) -> Report:
        try:
            return read(
                target,
                schema=schema,
                dry_run=dry_run,
                progress=_Bars(),
                problems_file=file,
                **options,
            )
        except LoadError as error:
            if problems_file or not error.all_shown:
                raise click.ClickException(f"{error}\n{_saved(error, file)}") from error
            raise

    if target == "server" and not dry_run and not yes:
        if not _can_ask():
            raise click.ClickException(
                "Nobody can be asked here. Say --yes to write to a server, --dry-run to try."
            )
        report = run(dry_run=True)
        if report.changes:
            _ask(report, file)
    report = run(dry_run)
    _show(report, target, schema, file)
    if report.skipped:
        context.exit(SOME_SKIPPED)


def _saved(error: LoadError, file: Path) -> str:
    try:
        error.save(file)
    except OSError as refused:
        return f"All of it could not be written to {file} ({refused.strerror or refused})."
    return f"All of it is in {file}."


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _ask(report: Report, file: Path) -> None:
    """Go on only when the user has seen what would happen to the server, and wants it."""
    _show_what_happens(report, file)
    click.confirm(f"Write this to {report.where}?", abort=True)


def _show_what_happens(report: Report, file: Path) -> None:
    click.echo(_table(report))
    for note in report.notes:
        click.echo(f"\nNote: {note}")
    if report.skipped:
        click.echo(f"\nLeft out, each with its reason in {file}: {report.skipped:,} records")
        for group in report.problems[:SHOWN]:
            click.echo(f"  {group}")
        if len(report.problems) > SHOWN:
            click.echo(f"  ... and {len(report.problems) - SHOWN:,} more reasons")


def _show(report: Report, target: str, schema: str | None, file: Path) -> None:
    click.echo(f"{report.what}\n")
    _show_what_happens(report, file)
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
