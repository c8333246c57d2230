"""timeback docs: the documentation site."""

from pathlib import Path

import click

from timeback_analytics.artifacts import read_json
from timeback_analytics.docs import build_site
from timeback_analytics.errors import TimebackError
from timeback_analytics.project import project_root


@click.command()
@click.option(
    "--target-path",
    type=click.Path(path_type=Path),
    help="Where manifest.json, static_index.html and lineage.json are; target in the project when not given.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write; docs in dbt's target folder when not given.",
)
def command(target_path: Path | None, output: Path | None) -> None:
    """Make the documentation site from what `dbt docs generate --static` and `timeback lineage` left.

    One folder, which opens from disk and from any web server; dbt's own documentation is in it. `make docs`
    runs all three. A dataset that lacks what its page needs, an example query for one, is an error.
    """
    target = target_path or project_root() / "target"
    folder = output or target / "docs"
    dbt_docs = target / "static_index.html"
    if not dbt_docs.is_file():
        raise TimebackError(
            f"There is no {dbt_docs}. `make docs` has dbt write it, and then builds the site."
        )
    pages = build_site(
        read_json(target / "manifest.json", "make docs"),
        read_json(target / "lineage.json", "timeback lineage"),
        folder,
        dbt_docs=dbt_docs,
    )
    click.echo(f"{pages} pages; open {folder / 'index.html'}")
