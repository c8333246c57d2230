"""timeback unbind: a database role is bound no more."""

import click

from timeback_analytics import binding
from timeback_analytics.commands._bindings import organizations
from timeback_analytics.commands._options import schema_option, target_option
from timeback_analytics.connection import connect


@click.command()
@click.argument("role")
@click.option(
    "--keep-access",
    is_flag=True,
    help="The role stays a reader, and may then ask for any organization.",
)
@target_option
@schema_option
def command(role: str, keep_access: bool, target: str, schema: str) -> None:
    """Take a role's binding away, and its right to read.

    ROLE loses its default scope and its membership of timeback_reader too, since without a binding it could
    ask for any organization.
    """
    with connect(target) as conn:
        count = binding.unbind(binding.Catalog(conn, schema), role, keep_access=keep_access)
        conn.commit()
    access = "may now ask for any organization" if keep_access else "sees nothing any more"
    click.echo(f"{role} is no longer bound to {organizations(count)}, and {access}.")
