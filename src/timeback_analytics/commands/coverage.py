"""timeback coverage: how much of the catalog is described, contracted and tested."""

from pathlib import Path

import click

from timeback_analytics.catalog.manifest import read_manifest
from timeback_analytics.commands._options import manifest_option, manifest_path
from timeback_analytics.coverage import coverage


@click.command()
@manifest_option
@click.pass_context
def command(ctx: click.Context, manifest: Path | None) -> None:
    """Count what is described, under contract and tested, dataset by dataset, from dbt's manifest.

    `dbt parse` writes the manifest, and so does every dbt run. Exits with 1 when a dataset lacks what every
    one must have: a description, a type and an origin for each column, an enforced contract, tests of its
    grain and of its scope.
    """
    found = coverage(read_manifest(manifest_path(manifest)))
    width = max(len(dataset.name) for dataset in found.datasets)
    click.echo(f"{'':{width}}  columns  described  contract  origin  tested  dbt tests")
    for dataset in found.datasets:
        click.echo(
            f"{dataset.name:{width}}  {dataset.columns:7}  {dataset.described:9}  {dataset.contracted:8}"
            f"  {dataset.with_origin:6}  {dataset.tested:6}  {dataset.tests:9}"
            + (f"  no dbt test names {', '.join(dataset.untested)}" if dataset.untested else "")
        )
    click.echo()
    for line in found.summary():
        click.echo(line)
    for gap in found.gaps:
        click.secho(gap, fg="red")
    if found.gaps:
        ctx.exit(1)
