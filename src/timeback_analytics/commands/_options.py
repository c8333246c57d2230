"""What several commands ask for, called, described and defaulted alike."""

import os
from pathlib import Path

import click

from timeback_analytics.connection import TARGETS
from timeback_analytics.project import project_root


def published_schema() -> str:
    """The published schema's name: what TIMEBACK_SCHEMA says, else analytics."""
    return os.environ.get("TIMEBACK_SCHEMA", "analytics")


def manifest_path(given: Path | None) -> Path:
    """Where dbt's manifest is: what --manifest says, else where dbt leaves it in the project.

    Raises:
        TimebackError: nothing is given, and there is no project.
    """
    return given or project_root() / "target" / "manifest.json"


target_option = click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="embedded",
    show_default=True,
    help="The database: the embedded one, or the server that PGHOST, PGDATABASE, ... name.",
)
schema_option = click.option(
    "--schema",
    default=published_schema,
    help="The published schema.  [default: TIMEBACK_SCHEMA, or analytics]",
)
manifest_option = click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    help="dbt's manifest.  [default: target/manifest.json in the project]",
)
