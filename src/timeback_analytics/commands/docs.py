"""timeback docs: the documentation site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from timeback_analytics.artifacts import read_json
from timeback_analytics.catalog.manifest import read_manifest
from timeback_analytics.connection import TARGETS, connect, operational_schema
from timeback_analytics.demo import holds_demo_alone
from timeback_analytics.docs import build_site, read_catalog, read_facts
from timeback_analytics.docs.catalog import Catalog
from timeback_analytics.docs.facts import Facts
from timeback_analytics.errors import TimebackError, sentence_about
from timeback_analytics.job.dbt_runs import profiles_folder
from timeback_analytics.lineage import published_lineage
from timeback_analytics.project import project_root


@click.command()
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    help="Have dbt read the project for this target first. Without it, the files that dbt left are taken.",
)
@click.option("--vars", "variables", default="{}", help="dbt's --vars, as in the deployment; with --target.")
@click.option(
    "--count-rows",
    is_flag=True,
    help="Say how many rows each dataset has; with --target, as a login that may see every row. "
    "On the demo that is done in any case.",
)
@click.option(
    "--target-path",
    type=click.Path(path_type=Path),
    help="Where manifest.json, static_index.html and lineage.json are, or go.  "
    "[default: target in the project; target/server for target server]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write.  [default: docs in that folder]",
)
def command(
    target: str | None, variables: str, count_rows: bool, target_path: Path | None, output: Path | None
) -> None:
    """Make the documentation site: one folder, which opens from disk and from any web server.

    With --target, dbt writes its own documentation first, which becomes a part, and the lineage is read
    from what it compiled. Without it, `dbt docs generate --static` and `timeback lineage` have done both.
    A dataset that lacks what its page needs, an example query for one, is an error.

    The demo's rows are shown where the embedded database holds nothing else. Nobody else's rows ever are.
    """
    if not target and (variables != "{}" or count_rows):
        raise click.UsageError("--vars and --count-rows want a --target.")
    folder = target_path or project_root() / "target" / ("server" if target == "server" else "")
    if target:
        _generate(target, variables, folder)
    dbt_docs = folder / "static_index.html"
    if not dbt_docs.is_file():
        raise TimebackError(
            f"There is no {dbt_docs}. `timeback docs --target embedded` has dbt write it first."
        )
    catalog = read_catalog(
        read_json(folder / "manifest.json", "make docs"),
        read_json(folder / "lineage.json", "timeback lineage"),
        read_json(folder / "semantic_manifest.json", "make docs"),
    )
    site = output or folder / "docs"
    pages = build_site(
        catalog, site, facts=_facts(target, catalog, count_rows) if target else None, dbt_docs=dbt_docs
    )
    click.echo(f"{pages} pages; open {site / 'index.html'}")


def _generate(target: str, variables: str, folder: Path) -> None:
    """Have dbt write its documentation into a folder, and the lineage beside it."""
    from dbt.cli.main import dbtRunner  # takes seconds, which `timeback --help` need not

    if target == "embedded":
        connect(target).close()  # starts the server
    project = project_root()

    def say_errors(event: Any) -> None:
        # of a failure that dbt did not foresee it prints a traceback, where a sentence is said below
        if event.info.level == "error" and event.info.name != "MainStackTrace":
            click.echo(event.info.msg, err=True)

    # only models and sources: compiling the tests on them too takes three times as long and adds nothing
    done = dbtRunner(callbacks=[say_errors]).invoke(
        [
            *("--quiet", "--log-level", "none", "docs", "generate", "--static"),
            *("--select", "resource_type:model", "resource_type:source", "--indirect-selection", "empty"),
            *("--project-dir", str(project), "--profiles-dir", str(profiles_folder(project))),
            *("--target", target, "--vars", variables, "--target-path", str(folder)),
        ]
    )
    if not done.success:
        error = done.exception
        known = sentence_about(error) if isinstance(error, Exception) else None
        reason = f": {known or error}" if error else "."
        raise TimebackError(f"dbt could not write its documentation for target {target}{reason}")
    lineage = published_lineage(read_manifest(folder / "manifest.json"))
    text = json.dumps(lineage, indent=2, ensure_ascii=False) + "\n"
    (folder / "lineage.json").write_text(text, encoding="utf-8")


def _facts(target: str, catalog: Catalog, count_rows: bool) -> Facts | None:
    """What the pages show of the rows: of others than the demo's the number, where asked for."""
    with connect(target, autocommit=True) as conn:
        is_demo = target == "embedded" and holds_demo_alone(conn, operational_schema(target))
        return read_facts(conn, catalog, is_demo=is_demo) if is_demo or count_rows else None
