"""timeback quicksight: the catalog's data sets, topic and dashboards in Amazon QuickSight."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from timeback_analytics.artifacts import read_json
from timeback_analytics.binding import Catalog
from timeback_analytics.commands._options import manifest_option, manifest_path, schema_option, target_option
from timeback_analytics.connection import connect
from timeback_analytics.errors import TimebackError
from timeback_analytics.project import project_root
from timeback_analytics.quicksight.check import check as find_faults
from timeback_analytics.quicksight.render import Description, describe
from timeback_analytics.quicksight.render import render as make_resources
from timeback_analytics.quicksight.resources import Resource, read, write
from timeback_analytics.quicksight.settings import Settings, read_settings

# Stands for the ARN of a secret that is not made yet, where nothing is sent.
NO_SECRET_YET = "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}"


@dataclass(frozen=True)
class Given:
    """What the options of a command come to."""

    settings: Settings
    resources: list[Resource]


settings_option = click.option(
    "--settings",
    "settings_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The installation: account, region, host, ...  [default: quicksight.yml in the project]",
)
from_option = click.option(
    "--from",
    "folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Use the files that `render` wrote instead of rendering again.",
)
organization_option = click.option(
    "--organization",
    metavar="ID",
    type=click.UUID,
    help="For the login that is bound to this organization, with names of its own.",
)


def _settings(path: Path | None) -> Settings:
    return read_settings(path or project_root() / "quicksight.yml")


def _description(manifest: Path | None) -> Description:
    path = manifest_path(manifest)
    semantic = path.with_name("semantic_manifest.json")
    return describe(read_json(path, "dbt parse"), read_json(semantic, "dbt parse"))


def _gaps(description: Description) -> list[str]:
    return [
        f"{relation.name}: its description is longer than a topic takes, and there is no meta.summary of at "
        "most 256 characters"
        for relation in description.relations.values()
        if relation.summary_is_missing
    ]


@click.group(
    epilog="""\b
Examples:
  timeback quicksight render --out quicksight     JSON files, for git
  timeback quicksight check                       without an account
  timeback quicksight plan
  timeback quicksight apply
  timeback quicksight apply --organization 1a2b3c4d-1111-2222-3333-444455556666 --target server

docs/quicksight.md says what an account needs, and what each step costs.
"""
)
def command() -> None:
    """The catalog in Amazon QuickSight: data sets, a topic and dashboards, made from dbt's manifest."""


@command.command()
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write to."
)
@settings_option
@manifest_option
def render(out: Path, settings_path: Path | None, manifest: Path | None) -> None:
    """Write one JSON file a resource.

    It holds the parameters of its creation.
    """
    description = _description(manifest)
    resources = make_resources(description, _settings(settings_path))
    count = write(resources, out)
    kinds = Counter(resource.kind.name for resource in resources)
    click.echo(
        f"{count} resources in {out}: " + ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    )
    _tell_refused(description)


@command.command()
@settings_option
@from_option
@manifest_option
@click.option(
    "--data", is_flag=True, help="Report too what of the data would be cut or rounded; reads all of it."
)
@target_option
@schema_option
def check(
    settings_path: Path | None,
    folder: Path | None,
    manifest: Path | None,
    data: bool,
    target: str,
    schema: str,
) -> None:
    """Check the resources without an account.

    They are held to the service's model and to what no model says; that needs only botocore.

    The exit code is 1 where something is found.
    """
    description = None if folder else _description(manifest)
    if description is None:
        assert folder is not None
        resources = read(folder)
    else:
        resources = make_resources(description, _settings(settings_path))
    faults = [*(_gaps(description) if description else ()), *map(str, find_faults(resources))]
    for fault in faults:
        click.echo(fault)
    if description:
        _tell_refused(description)
    if data:
        from timeback_analytics.quicksight.data_limits import data_limits

        with connect(target) as conn:
            for limit in data_limits(conn, (description or _description(manifest)).relations, schema):
                click.echo(f"In the data, {limit}")
    click.echo(f"{len(resources)} resources, {len(faults) or 'no'} fault{'' if len(faults) == 1 else 's'}.")
    if faults:
        sys.exit(1)


def _account_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        schema_option,
        target_option,
        manifest_option,
        from_option,
        organization_option,
        settings_option,
    ):
        function = option(function)
    return function


@command.command()
@_account_options
def plan(**options: Any) -> None:
    """Show what `apply` would change."""
    from timeback_analytics.quicksight.account import connect_account
    from timeback_analytics.quicksight.plan import left_over
    from timeback_analytics.quicksight.plan import plan as find_changes

    given = _given(options, make=False)
    account = connect_account(given.settings.account, given.settings.region)
    changes = [change for change in find_changes(given.resources, account) if change.is_change]
    for change in changes:
        click.echo(f"{change.resource.label}: {change.action if change.action != 'unchanged' else 'update'}")
        for line in change.lines:
            click.echo(f"  {line}")
        for line in change.lost:
            click.echo(f"  {line}: needs --force")
    for resource in left_over(given.resources, account):
        click.echo(f"{resource.label}: left over; apply --delete-old deletes it")
    click.echo(f"{len(given.resources)} resources, {len(changes) or 'none'} would change.")


@command.command()
@_account_options
@click.option(
    "--force", is_flag=True, help="Take fields away or change their types, though dashboards may name them."
)
@click.option(
    "--delete-old", is_flag=True, help="Delete what an earlier description made and this one does not have."
)
def apply(force: bool, delete_old: bool, **options: Any) -> None:
    """Create and update what differs in the account.

    Nothing is deleted unless asked.

    With --organization, the organization's login is made and bound first, its password in Secrets Manager.
    """
    from timeback_analytics.quicksight.account import connect_account
    from timeback_analytics.quicksight.apply import apply as make_changes
    from timeback_analytics.quicksight.apply import delete as delete_resources
    from timeback_analytics.quicksight.plan import left_over
    from timeback_analytics.quicksight.plan import plan as find_changes

    before = _given(options, make=False)
    faults = find_faults(before.resources)
    if faults:
        raise TimebackError("Nothing was changed:\n" + "\n".join(f"  {fault}" for fault in faults))
    account = connect_account(before.settings.account, before.settings.region)
    given = _given(options, make=True) if options["organization"] else before
    done = make_changes(find_changes(given.resources, account), account, force=force, tell=click.echo)
    gone = 0
    if delete_old:
        gone = delete_resources(left_over(given.resources, account), account, click.echo)
    click.echo(
        f"{len(given.resources)} resources, {done or 'none'} changed"
        + (f", {gone} deleted." if gone else ".")
    )


@command.command()
@_account_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(yes: bool, **options: Any) -> None:
    """Delete the resources from the account.

    The database's login and its secret stay.
    """
    from timeback_analytics.quicksight.account import connect_account
    from timeback_analytics.quicksight.apply import delete as delete_resources

    given = _given(options, make=False)
    if not yes:
        click.confirm(
            f"Delete {len(given.resources)} resources of account {given.settings.account}, prefix "
            f"{given.settings.prefix}, with the dashboards that people read?",
            abort=True,
        )
    account = connect_account(given.settings.account, given.settings.region)
    click.echo(f"{delete_resources(given.resources, account, click.echo)} resources deleted.")


def _given(options: dict[str, Any], make: bool) -> Given:
    """The settings and resources that the options name; with `make`, an organization's login is made."""
    settings = _settings(options["settings_path"])
    if options["organization"]:
        if options["folder"]:
            raise click.UsageError(
                "--from and --organization exclude each other: names and login have to be rendered again."
            )
        settings = _for_organization(
            settings, options["organization"], options["target"], options["schema"], make
        )
    if options["folder"]:
        return Given(settings, read(options["folder"]))
    return Given(settings, make_resources(_description(options["manifest"]), settings))


def _for_organization(
    settings: Settings, organization: UUID, target: str, schema: str, make: bool
) -> Settings:
    from timeback_analytics.quicksight.account import secrets_client
    from timeback_analytics.quicksight.organization import look_up, make_login

    client = secrets_client(settings.region)
    with connect(target) as conn:
        catalog = Catalog(conn, schema)
        login = look_up(settings, organization, catalog, client)
        if make:
            login = make_login(settings, organization, login, catalog, client)
            click.echo(
                f"{login.role} is bound to {login.name}; its password is in the secret {login.secret_name}."
            )
    missing = NO_SECRET_YET.format(
        partition=settings.partition, region=settings.region, account=settings.account, name=login.secret_name
    )
    return settings.for_organization(organization, login.name, login.secret_arn or missing)


def _tell_refused(description: Description) -> None:
    for one in description.refused:
        click.echo(f"The metric {one.name} is not carried over: {one.reason}")
