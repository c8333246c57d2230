"""timeback check: what the project promises of its datasets, checked on a live database."""

from datetime import UTC, datetime
from pathlib import Path

import click

from timeback_analytics.catalog.manifest import read_manifest
from timeback_analytics.checkpoint import Checkpoint, Outcome
from timeback_analytics.checkpoint_report import as_data, in_short, lines_about, status, write
from timeback_analytics.commands._options import manifest_option, manifest_path, schema_option, target_option
from timeback_analytics.connection import connection_string
from timeback_analytics.errors import TimebackError
from timeback_analytics.project import project_root
from timeback_analytics.promises import Suite, suites


@click.command()
@target_option
@schema_option
@click.option(
    "--scope", default="*", show_default=True, help="Check what a caller with these organizations sees."
)
@click.option(
    "--roar-scope",
    help="The same for ROAR's datasets.  [default: * where --scope is *, else none of their rows]",
)
@click.option(
    "--select", "selected", multiple=True, metavar="DATASET", help="Check this dataset only; repeatable."
)
@click.option(
    "--joins",
    type=click.Choice(["documented", "warn", "fail", "skip"]),
    default="documented",
    show_default=True,
    help="Ids that lead nowhere: as the YAML says, warnings, failures, or not looked at.",
)
@manifest_option
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the report. Default: target/checkpoint in the project.",
)
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    schema: str,
    scope: str,
    roar_scope: str | None,
    selected: tuple[str, ...],
    joins: str,
    manifest: Path | None,
    output: Path | None,
) -> None:
    """Check the datasets of a live database: columns, types, keys, allowed values, invariants, joins.

    The rules are those of the dbt YAML, so a manifest is needed: `dbt parse` writes one, and so does every
    dbt run. Nothing is written to the database. Prints what does not hold with the keys of some rows, and
    writes checkpoint.html and checkpoint.json. Exits with 1 when a rule is broken that is not a warning.
    """
    every_suite = suites(read_manifest(manifest_path(manifest)), schema, joins)
    known = {suite.dataset for suite in every_suite}
    if unknown := sorted(set(selected) - known):
        raise TimebackError(
            f"There is no dataset {', '.join(unknown)}. The datasets: {', '.join(sorted(known))}."
        )

    dsn = connection_string(target)
    checkpoint = Checkpoint(dsn, schema, scope, roar_scope)
    try:
        results = []
        for suite in every_suite:
            if selected and suite.dataset not in selected:
                continue
            outcomes = checkpoint.run(suite)
            results.append((suite, outcomes))
            _show(suite, outcomes)
        about = checkpoint.about()
    finally:
        checkpoint.close()

    data = as_data(results, {"target": target, **about}, datetime.now(UTC))
    as_json, as_html = write(data, output or project_root() / "target" / "checkpoint")
    counts = data["counts"]
    # among so much that holds or warns it would be lost
    for outcome in (outcome for _, outcomes in results for outcome in outcomes if outcome.failed):
        click.secho(in_short(outcome), fg="red")
    click.echo(f"{counts['passed']} rules hold, {counts['failed']} failed, {counts['warning']} warned.")
    click.echo(f"Report: {as_html}\nFor machines: {as_json}")
    if data["nothing_shown"]:
        click.secho(
            f"No scoped dataset shows a row under the scope {scope!r}, so nothing is known of them.", fg="red"
        )
    if not data["success"]:
        ctx.exit(1)


def _show(suite: Suite, outcomes: list[Outcome]) -> None:
    """Print how many of a dataset's rules hold, and what is known of those that do not."""
    broken = [outcome for outcome in outcomes if not outcome.passed]
    failures = sum(outcome.failed for outcome in broken)
    said = ", ".join(
        f"{number} {word}"
        for number, word in ((failures, "failed"), (len(broken) - failures, "warned"))
        if number
    )
    click.echo(f"{suite.dataset}: {len(outcomes)} rules, {said or 'all hold'}")
    for outcome in broken:
        for line in lines_about(outcome):
            click.secho(f"  {line}", fg={"failed": "red", "warning": "yellow"}[status(outcome)])
    for test in suite.unchecked:
        click.echo(f"  not checked here: dbt test {test}")
