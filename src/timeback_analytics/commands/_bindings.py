"""What the commands about bindings share."""

import click

from timeback_analytics import binding


def organizations(count: int) -> str:
    """So many organizations, in words."""
    return f"{count} organization" + ("" if count == 1 else "s")


def _default(scope: str | None) -> str:
    return "none" if scope is None else scope or "empty"


def echo_bound(bound: binding.Bound) -> None:
    """Print what a role is bound to and sees."""
    if bound.organizations:
        click.echo(f"{bound.role} is bound to {organizations(len(bound.organizations))}:")
        for org_id, name in bound.organizations.items():
            click.echo(f"  {org_id}  {name or '(no such organization any more)'}")
    elif not bound.roar_organizations:
        click.echo(f"{bound.role} is not bound.")
    if bound.roar_organizations:
        count = organizations(len(bound.roar_organizations))
        click.echo(f"{bound.role} is bound to {count} of ROAR:")
        for roar_id, name in bound.roar_organizations.items():
            click.echo(f"  {roar_id}  {name or '(no such organization any more, or one without a name)'}")
    click.echo(f"Default scope: {_default(bound.default)}")
    if bound.roar_organizations or bound.roar_default is not None:
        click.echo(f"Default scope of ROAR: {_default(bound.roar_default)}")
    click.echo("What it sees with that:")
    width = max(map(len, bound.rows), default=0)
    for view, rows in bound.rows.items():
        click.echo(f"  {view:<{width}} " + (f"{rows:>12,}" if isinstance(rows, int) else f" {rows}"))
    for note in bound.notes:
        click.echo(f"\nNote: {note}")
