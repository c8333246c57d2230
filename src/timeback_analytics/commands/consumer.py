"""timeback consumer: what another dbt project needs to build on the published datasets."""

from pathlib import Path

import click

from timeback_analytics.catalog.manifest import read_manifest
from timeback_analytics.commands._options import manifest_option, manifest_path, schema_option
from timeback_analytics.consumer import write_consumer
from timeback_analytics.project import project_root


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--semantic",
    metavar="DATASET",
    multiple=True,
    help="Also a view and a semantic model of this dataset, with its keys, for MetricFlow and Cube.",
)
@schema_option
@manifest_option
def command(folder: Path, semantic: tuple[str, ...], schema: str, manifest: Path | None) -> None:
    """Write into the dbt project in FOLDER what it needs to read the catalog as sources.

    Sources with descriptions, types, keys and tests, a test that rows are visible, and the macro that unit
    tests on uuid[] need. Run it again after an upgrade. docs/consumers.md says how marts keep the scope.
    """
    macro = (project_root() / "macros" / "overrides" / "columns.sql").read_text(encoding="utf-8")
    files = write_consumer(read_manifest(manifest_path(manifest)), macro, folder, schema, semantic)
    for path in files:
        click.echo(path)
    click.echo(
        "Next: dbt test --select source:timeback; docs/consumers.md says what the builder's role needs."
    )
