"""timeback demo: fill the embedded database with the demo."""

import time

import click

from timeback_analytics.connection import TARGETS
from timeback_analytics.demo import build_demo


@click.command()
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="embedded",
    show_default=True,
    help="Where to; the demo refuses every other target than embedded.",
)
@click.option("--rebuild", is_flag=True, help="Write it again, and delete whatever else the tables hold.")
@click.option(
    "--keep-other-rows",
    is_flag=True,
    help="Where the tables hold rows of yours, do nothing, instead of failing.",
)
def command(target: str, rebuild: bool, keep_other_rows: bool) -> None:
    """Fill the embedded database with a platform's data, from real public files.

    Rosters, curriculum, activity, insights, and every edge case.
    A second run does nothing where the same demo is there. demo/README.md says where the data come from.
    """
    if rebuild and keep_other_rows:
        raise click.UsageError("--rebuild and --keep-other-rows exclude each other.")
    began_at = time.monotonic()
    demo = build_demo(
        target,
        rebuild=rebuild,
        keep_other_rows=keep_other_rows,
        report=lambda line: click.echo(f"  {line}", err=True),
    )
    width = max(map(len, demo.row_counts))
    for table, count in demo.row_counts.items():
        click.echo(f"{table:<{width}} {count:>9,}")
    seconds = time.monotonic() - began_at
    if demo.is_new:
        click.echo(f"\n{sum(demo.row_counts.values()):,} rows in schema {demo.schema}, in {seconds:.0f} s.")
        if not keep_other_rows:
            # as a user types it; `make run` goes on by itself
            click.echo("Next: dbt build, then `timeback server psql` to look around.")
        click.echo("demo/README.md says what is there.")
    elif demo.other_rows:
        click.echo(
            f"\nNothing was written: schema {demo.schema} holds rows that the demo did not write, in "
            f"{', '.join(sorted(demo.other_rows))}. --rebuild deletes them and writes the demo."
        )
    else:
        click.echo(f"\nThe demo was there already, in schema {demo.schema}. --rebuild writes it again.")
