"""timeback audit: does a deployed catalog keep the rules that the caller's scope depends on."""

import sys
from pathlib import Path

import click

from timeback_analytics import audit
from timeback_analytics.commands._options import manifest_option, manifest_path, schema_option, target_option
from timeback_analytics.connection import connect


@click.command()
@target_option
@schema_option
@manifest_option
@click.option("--rules", is_flag=True, help="Say what each rule asks for, and look at no database.")
def command(target: str, schema: str, manifest: Path | None, rules: bool) -> None:
    """Check the views in a live database: owners, barriers, grants, functions, scope, columns, bindings.

    Nothing is changed. The exit code is 1 where something is found.
    """
    if rules:
        for rule in audit.RULES:
            click.echo(f"{rule.name}: {rule.purpose}\n")
        return
    documented = audit.read_manifest(manifest_path(manifest))
    with connect(target) as conn:
        findings = audit.find_breaches(conn, documented, schema)
        where = f"schema {schema} of database {conn.info.dbname}"
    for finding in findings:
        click.echo(f"{finding.rule}: {finding.object} {finding.finding}")
    count = f"{len(findings)} finding" + ("" if len(findings) == 1 else "s")
    click.echo(f"{len(audit.RULES)} rules, {count if findings else 'no finding'}, in {where}.")
    if findings:
        click.echo("docs/security.md says what each rule is for; so does `timeback audit --rules`.")
        sys.exit(1)
