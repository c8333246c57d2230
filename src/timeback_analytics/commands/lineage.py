"""timeback lineage: which operational columns each published column is made of, as a file."""

import json
from pathlib import Path

import click

from timeback_analytics.catalog.manifest import read_manifest
from timeback_analytics.commands._options import manifest_option, manifest_path
from timeback_analytics.lineage import published_lineage


@click.command()
@manifest_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. Default: lineage.json beside the manifest.",
)
def command(manifest: Path | None, output: Path | None) -> None:
    """Write the lineage of every published column, after `dbt compile` or `dbt docs generate`.

    The file is JSON: {dataset: {column: [table.column, ...]}}, where table.column is an operational column
    that the published one is made of. Columns that only decide which rows there are (joins, filters, the
    caller's scope) are not in it.
    """
    manifest = manifest_path(manifest)
    output = output or manifest.with_name("lineage.json")
    lineage = published_lineage(read_manifest(manifest))
    output.write_text(json.dumps(lineage, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    columns = sum(map(len, lineage.values()))
    click.echo(f"{output}: {len(lineage)} datasets, {columns} columns.")
