"""timeback bind: a database role sees these organizations and no other."""

from uuid import UUID

import click

from timeback_analytics import binding
from timeback_analytics.commands._options import schema_option, target_option
from timeback_analytics.connection import connect


@click.command(
    epilog="""\b
Examples:
  timeback bind lincoln 1a2b3c4d-1111-2222-3333-444455556666 --create --password
  timeback bind lincoln --roar 2tgCL8CrBt9ymN2lTjVi          districts, schools, ... of ROAR
  timeback bind lincoln --show
  timeback bind lincoln --unbind
  timeback bind --show            every role that is bound
"""
)
@click.argument("role", required=False)
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
@click.option("--show", "only_show", is_flag=True, help="Change nothing; say what it is bound to and sees.")
@click.option(
    "--unbind",
    is_flag=True,
    help="Take the binding away, and with it the role's membership of timeback_reader.",
)
@click.option(
    "--keep-access",
    is_flag=True,
    help="With --unbind: the role stays a reader, and may then ask for any organization.",
)
@target_option
@schema_option
def command(
    role: str | None,
    org_ids: tuple[UUID, ...],
    roar_org_ids: tuple[str, ...],
    create: bool,
    ask_password: bool,
    default: str,
    no_default: bool,
    only_show: bool,
    unbind: bool,
    keep_access: bool,
    target: str,
    schema: str,
) -> None:
    """Bind the database role ROLE to the organizations ORG_ID, and show what it sees now.

    Whatever a bound role sets app.allowed_org_ids to, it sees rows of these organizations alone; of ROAR
    those of --roar, and without them nothing. An earlier binding is replaced.
    """
    if only_show and unbind:
        raise click.UsageError("--show and --unbind exclude each other.")
    if (only_show or unbind) and (org_ids or roar_org_ids or create or ask_password or no_default):
        raise click.UsageError("--show and --unbind take a role and nothing else.")
    if ask_password and not create:
        raise click.UsageError("--password is for a role that --create makes.")
    if keep_access and not unbind:
        raise click.UsageError("--keep-access is for --unbind.")
    if role is None and not only_show:
        raise click.UsageError("Which role? `timeback bind --show` lists those that are bound.")
    if not (only_show or unbind or org_ids or roar_org_ids):
        raise click.UsageError(f"Which organizations? `timeback bind {role} --show` lists its own.")
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True) if ask_password else None

    with connect(target) as conn:
        # what somebody created in public takes no part in this
        conn.execute("set search_path = pg_catalog, pg_temp")
        catalog = binding.Catalog(conn, schema)
        if role is None:
            _echo_all(binding.bound_roles(catalog))
        elif unbind:
            count = binding.unbind(catalog, role, keep_access=keep_access)
            conn.commit()
            access = "may now ask for any organization" if keep_access else "sees nothing any more"
            click.echo(f"{role} is no longer bound to {_organizations(count)}, and {access}.")
        else:
            if not only_show:
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
            _echo(binding.show(catalog, role))


def _organizations(count: int) -> str:
    return f"{count} organization" + ("" if count == 1 else "s")


def _echo_all(roles: list[tuple[str, int, bool]]) -> None:
    if not roles:
        click.echo("No role is bound.")
    for role, count, exists in roles:
        gone = "" if exists else "   no role of this name: dropped or renamed"
        click.echo(f"{role}: {_organizations(count)}{gone}")


def _default(scope: str | None) -> str:
    return "none" if scope is None else scope or "empty"


def _echo(bound: binding.Bound) -> None:
    if bound.organizations:
        click.echo(f"{bound.role} is bound to {_organizations(len(bound.organizations))}:")
        for org_id, name in bound.organizations.items():
            click.echo(f"  {org_id}  {name or '(no such organization any more)'}")
    elif not bound.roar_organizations:
        click.echo(f"{bound.role} is not bound.")
    if bound.roar_organizations:
        count = _organizations(len(bound.roar_organizations))
        click.echo(f"{bound.role} is bound to {count} of ROAR:")
        for org_id, name in bound.roar_organizations.items():
            click.echo(f"  {org_id}  {name or '(no such organization any more, or one without a name)'}")
    click.echo(f"Default scope: {_default(bound.default)}")
    if bound.roar_organizations or bound.roar_default is not None:
        click.echo(f"Default scope of ROAR: {_default(bound.roar_default)}")
    click.echo("What it sees with that:")
    width = max(map(len, bound.rows), default=0)
    for view, count in bound.rows.items():
        click.echo(f"  {view:<{width}} " + (f"{count:>12,}" if isinstance(count, int) else f" {count}"))
    for note in bound.notes:
        click.echo(f"\nNote: {note}")
