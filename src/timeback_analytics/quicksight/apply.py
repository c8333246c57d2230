"""Changes made in an account, one resource after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.account import Account
from timeback_analytics.quicksight.model_check import service_model
from timeback_analytics.quicksight.plan import Change
from timeback_analytics.quicksight.resources import Resource, in_order


def apply(
    changes: list[Change],
    account: Account,
    *,
    force: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Make the changes. What is made stays made when a later one is refused; run it again then.

    Args:
        changes: what `plan` found.
        account: the account that it found it in.
        force: whether to remove fields, change their types, and recreate what an update cannot change.
        tell: hears of each change that is made.

    Returns:
        How many resources changed.

    Raises:
        TimebackError: fields would go and force is false, in which case nothing is done; or the service
            refuses something.
    """
    lost = [f"  {change.resource.label}: {line}" for change in changes for line in change.lost]
    if lost and not force:
        raise TimebackError(
            "Fields would be lost, on which analyses and dashboards of others may stand:\n"
            + "\n".join(lost)
            + "\nNothing was changed. --force changes it all the same."
        )
    done = 0
    for change in changes:
        if not change.is_change:
            continue
        try:
            _make(change, account)
        except TimebackError as error:
            raise TimebackError(
                f"{error}\n{done} resources were changed before it. Mend that and run this again: "
                "what is done already is not done again."
            ) from error
        done += 1
        tell(f"{change.resource.label}: {_past(change.action)}")
    return done


def delete(resources: list[Resource], account: Account, tell: Callable[[str], None] = lambda _: None) -> int:
    """Delete resources that are there, the last made first.

    Returns:
        How many there were.

    Raises:
        TimebackError: the service refuses one; those before it are gone.
    """
    done = 0
    for resource in reversed(in_order(resources)):
        parameters = {"AwsAccountId": account.account, **resource.ids}
        if account.look(resource.kind.delete, resource.label, parameters) is not None:
            done += 1
            tell(f"{resource.label}: deleted")
    return done


def _past(action: str) -> str:
    return {"create": "created", "update": "updated", "recreate": "recreated"}.get(
        action, "permissions, tags or folders"
    )


def _make(change: Change, account: Account) -> None:
    resource = change.resource
    if change.action == "recreate":
        account.call(resource.kind.delete, resource.label, {"AwsAccountId": account.account, **resource.ids})
    if change.action in ("create", "recreate"):
        account.call(resource.kind.create, resource.label, resource.parameters)
        _wait(resource, account)
        if not resource.kind.has_permissions and resource.granted:
            _permit(resource, account, list(resource.granted), [])
        return
    if change.action == "update":
        _update(resource, account)
    if change.grant or change.revoke:
        _permit(resource, account, change.grant, change.revoke)
    if change.tags:
        account.call("TagResource", resource.label, {"ResourceArn": change.arn, "Tags": change.tags})
    for folder in change.folders:
        account.call(
            "CreateFolderMembership",
            resource.label,
            {
                "AwsAccountId": account.account,
                "FolderId": folder,
                "MemberId": next(iter(resource.ids.values())),
                "MemberType": resource.kind.member_type,
            },
        )


def _update(resource: Resource, account: Account) -> None:
    kind = resource.kind
    members = service_model().operation_model(kind.update).input_shape.members
    parameters = {name: value for name, value in resource.parameters.items() if name in members}
    answer = account.call(kind.update, resource.label, parameters)
    version = str(answer.get("VersionArn", "")).rpartition("/")[2]
    _wait(resource, account, int(version) if version.isdecimal() else None)
    if version.isdecimal():
        # readers see the published version alone
        account.call(
            "UpdateDashboardPublishedVersion",
            resource.label,
            {"AwsAccountId": account.account, **resource.ids, "VersionNumber": int(version)},
        )


def _permit(
    resource: Resource,
    account: Account,
    grant: list[Mapping[str, Any]],
    revoke: list[Mapping[str, Any]],
) -> None:
    kind = resource.kind
    where = {"AwsAccountId": account.account, **resource.ids}
    # two calls: one principal may be in both
    for name, permissions in (("RevokePermissions", revoke), ("GrantPermissions", grant)):
        if permissions:
            account.call(
                f"Update{kind.operation}Permissions{kind.version}",
                resource.label,
                {**where, name: permissions},
            )


def _wait(resource: Resource, account: Account, version: int | None = None) -> None:
    """Until a data source, an analysis or a dashboard is ready; the others are at once."""
    kind = resource.kind
    where: dict[str, Any] = {"AwsAccountId": account.account, **resource.ids}
    if version is not None:
        where["VersionNumber"] = version

    def status() -> tuple[str, Any]:
        one = account.call(f"Describe{kind.operation}", resource.label, where)[kind.operation]
        if kind.operation == "Dashboard":
            one = one.get("Version", {})
        return one.get("Status", ""), one.get("ErrorInfo") or one.get("Errors")

    if kind.operation in ("DataSource", "Analysis", "Dashboard"):
        account.wait(resource.label, status)
