"""timeback bind: a database role sees these organizations and no other."""

from uuid import UUID

import click

from timeback_analytics import binding
from timeback_analytics.commands._bindings import echo_bound
from timeback_analytics.commands._options import schema_option, target_option
from timeback_analytics.connection import connect


@click.command(
    epilog="""\b
Examples:
  timeback bind lincoln 1a2b3c4d-1111-2222-3333-444455556666 --create --password
  timeback bind lincoln --roar 2tgCL8CrBt9ymN2lTjVi          districts, schools, ... of ROAR
  timeback bindings lincoln       what it is bound to and sees
  timeback unbind lincoln
"""
)
@click.argument("role")
@click.argument("org_ids", metavar="[ORG_ID]...", nargs=-1, type=click.UUID)
@click.option(
    "--roar",
    "roar_org_ids",
    metavar="ORG_ID",
    multiple=True,
    help="An organization of ROAR, by its Firestore id; once for each.",
)
@click.option("--create", is_flag=True, help="Make the role: a login, member of timeback_reader.")
@click.option("--password", "ask_password", is_flag=True, help="With --create: ask for the login's password.")
@click.option(
    "--default",
    default="*",
    show_default=True,
    help="What the role sees where its session asks for nothing: * for all it is bound to, or a list of ids.",
)
@click.option("--no-default", is_flag=True, help="Leave the role's own app.allowed_org_ids as it is.")
@target_option
@schema_option
def command(
    role: str,
    org_ids: tuple[UUID, ...],
    roar_org_ids: tuple[str, ...],
    create: bool,
    ask_password: bool,
    default: str,
    no_default: bool,
    target: str,
    schema: str,
) -> None:
    """Bind a database role to organizations.

    Whatever ROLE sets app.allowed_org_ids to, it sees only rows of the organizations ORG_ID; of ROAR those
    of --roar, and without them nothing. An earlier binding is replaced. Shows what the role sees now.
    """
    if ask_password and not create:
        raise click.UsageError("--password is for a role that --create makes.")
    if not (org_ids or roar_org_ids):
        raise click.UsageError(f"Which organizations? `timeback bindings {role}` lists its own.")
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True) if ask_password else None
    with connect(target) as conn:
        catalog = binding.Catalog(conn, schema)
        binding.bind(
            catalog,
            role,
            list(org_ids),
            roar_org_ids=roar_org_ids,
            create=create,
            password=password,
            default=None if no_default else default,
        )
        # what is shown below is what is there, and no trouble in showing it undoes it
        conn.commit()
        echo_bound(binding.show(catalog, role))
