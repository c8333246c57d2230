"""timeback setup: what dbt needs in this checkout before its first command."""

import click

from timeback_analytics.profile import write_profile
from timeback_analytics.project import project_root
from timeback_analytics.server import project_server


@click.command()
def command() -> None:
    """Write profiles.yml with this checkout's socket folder; a changed one keeps all else."""
    click.echo(write_profile(project_root(), project_server().socket_dir))
