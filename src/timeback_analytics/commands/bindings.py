"""timeback bindings: which roles are bound to what, and what they see."""

import click

from timeback_analytics import binding
from timeback_analytics.commands._bindings import echo_bound, organizations
from timeback_analytics.commands._options import schema_option, target_option
from timeback_analytics.connection import connect


@click.command()
@click.argument("role", required=False)
@target_option
@schema_option
def command(role: str | None, target: str, schema: str) -> None:
    """List the bound roles, or what one role sees.

    With ROLE: its organizations, its default scope, and how many rows of each scoped dataset it sees. Changes
    nothing.
    """
    with connect(target) as conn:
        catalog = binding.Catalog(conn, schema)
        if role is not None:
            echo_bound(binding.show(catalog, role))
            return
        roles = binding.bound_roles(catalog)
    if not roles:
        click.echo("No role is bound.")
    for bound in roles:
        problem = f"   {bound.problem}" if bound.problem else ""
        click.echo(f"{bound.name}: {organizations(bound.organizations)}{problem}")
