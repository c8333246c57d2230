"""What applying the rendered resources to an account would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from timeback_analytics.quicksight.account import Account
from timeback_analytics.quicksight.differences import differences
from timeback_analytics.quicksight.outputs import output_fields
from timeback_analytics.quicksight.resources import KINDS, Kind, Resource
from timeback_analytics.quicksight.settings import INSTALLATION

# What the description of a resource never says, or its update never takes.
NOT_COMPARED = ("AwsAccountId", "Permissions", "Tags", "FolderArns", "ValidationStrategy", "UseAs")
# What only a new resource takes: a folder stays where it is.
ONLY_WHEN_MADE = {"folders": ("FolderType", "ParentFolderArn")}
LISTINGS = {
    "data-sources": ("ListDataSources", "DataSources"),
    "data-sets": ("ListDataSets", "DataSetSummaries"),
    "topics": ("ListTopics", "TopicsSummaries"),
    "analyses": ("ListAnalyses", "AnalysisSummaryList"),
    "dashboards": ("ListDashboards", "DashboardSummaryList"),
    "folders": ("ListFolders", "FolderSummaryList"),
}


@dataclass
class Change:
    """What happens to one resource.

    Attributes:
        resource: as it is wanted.
        action: "create", "update", "recreate" or "unchanged".
        lines: what changes, one line for each change.
        lost: fields that are removed or change their type, which dashboards may use; or why the resource
            must be recreated.
        grant, revoke: permissions.
        tags: tags that are missing or other ones.
        folders: ids of folders in which it does not lie yet.
        arn: the ARN where it is already.
    """

    resource: Resource
    action: str
    lines: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    grant: list[Mapping[str, Any]] = field(default_factory=list)
    revoke: list[Mapping[str, Any]] = field(default_factory=list)
    tags: list[Mapping[str, str]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    arn: str = ""

    @property
    def is_change(self) -> bool:
        """Whether anything is to be done."""
        return self.action != "unchanged" or bool(self.grant or self.revoke or self.tags or self.folders)


def plan(resources: list[Resource], account: Account) -> list[Change]:
    """What would change, for each resource in its order. Nothing is written.

    Raises:
        TimebackError: the service refuses to say.
    """
    changes = [_change(resource, account) for resource in resources]
    made_anew = {change.resource.ids["DataSetId"] for change in changes if _is_made_anew(change)}
    for change in changes:
        if change.resource.kind.name == "refresh-schedules" and change.resource.ids["DataSetId"] in made_anew:
            # it is deleted with its data set
            change.action, change.lines = "create", ["its data set is recreated"]
    return changes


def _is_made_anew(change: Change) -> bool:
    return change.resource.kind.name == "data-sets" and change.action == "recreate"


def left_over(resources: list[Resource], account: Account) -> list[Resource]:
    """What an earlier description made in this installation, and this one does not have.

    A resource is this installation's by its tag, and not by how its id begins, which another
    installation's may as well.

    Raises:
        TimebackError: the service refuses to say.
    """
    known = {(resource.kind.name, *resource.ids.values()) for resource in resources}
    tags = {one["Key"]: one["Value"] for one in resources[0].parameters.get("Tags", ())}
    installation = tags.get(INSTALLATION)
    found = []
    for kind in KINDS:
        if kind.name not in LISTINGS:
            continue
        operation, member = LISTINGS[kind.name]
        id_name = kind.id_names[0]
        for one in account.pages(operation, kind.name, member, {"AwsAccountId": account.account}):
            one_id = one[id_name]
            is_known = (kind.name, one_id) in known or (
                ("topics-v2", one_id) in known and kind.name == "topics"
            )
            if is_known or not installation or not one_id.startswith(f"{installation}-"):
                continue
            if _tags(account, one["Arn"], one_id).get(INSTALLATION) == installation:
                parameters = {"AwsAccountId": account.account, id_name: one_id}
                found.append(Resource(kind, one_id, parameters))
    return found


def _change(resource: Resource, account: Account) -> Change:
    kind = resource.kind
    where = {"AwsAccountId": account.account, **resource.ids}
    answer = account.look(kind.describe_operation, resource.label, where)
    # an analysis that was deleted can be described for thirty days
    if answer is None or answer.get("ResourceStatus") == "DELETED":
        return Change(resource, "create", [f"{resource.parameters.get('Name', resource.name)} is new"])
    there = _described(kind, answer)
    wanted = _wanted(resource)
    lenient = kind.operation in ("Topic", "Analysis", "Dashboard")
    compared = {name: value for name, value in there.items() if name in _compared(kind)}
    lines = differences(wanted, compared, lenient=lenient)
    change = Change(resource, "update" if lines else "unchanged", lines)
    if kind.name == "data-sets":
        _compare_data_set(change, there)
    if kind.name == "data-sources" and there.get("Type") != resource.parameters["Type"]:
        change.action = "recreate"
        change.lost.append(f"it is of the type {there.get('Type')}, which no update changes")
    if kind.arn:
        change.arn = _arn(resource, account, there)
        _compare_permissions(change, account, where)
        _compare_tags_and_folders(change, account)
    return change


def _compared(kind: Kind) -> set[str]:
    """The members of a description that an update can change."""
    from timeback_analytics.quicksight.model_check import service_model

    if kind.name == "refresh-schedules":
        return {"ScheduleFrequency", "RefreshType"}
    members = set(service_model().operation_model(kind.update).input_shape.members)
    if kind.name == "data-sources":
        members.add("SecretArn")
    return members - {*NOT_COMPARED, *kind.id_names, "Credentials", "VersionDescription"}


def _wanted(resource: Resource) -> dict[str, Any]:
    """The wanted parameters in the shape of a description."""
    kind = resource.kind
    given = dict(resource.parameters)
    if kind.name == "refresh-schedules":
        given = dict(given["Schedule"])
    if kind.name == "data-sources":
        given["SecretArn"] = given["Credentials"]["SecretArn"]
    compared = _compared(kind) - set(ONLY_WHEN_MADE.get(kind.name, ()))
    return {name: value for name, value in given.items() if name in compared}


def _described(kind: Kind, answer: Mapping[str, Any]) -> dict[str, Any]:
    return dict(answer[kind.described] if kind.described else answer)


def _arn(resource: Resource, account: Account, there: Mapping[str, Any]) -> str:
    if there.get("Arn"):
        return there["Arn"]
    # definitions do not tell their ARN
    kind = resource.kind
    answer = account.call(
        f"Describe{kind.operation}", resource.label, {"AwsAccountId": account.account, **resource.ids}
    )
    return answer[kind.operation]["Arn"]


def _compare_data_set(change: Change, there: Mapping[str, Any]) -> None:
    """Fields that go or change their type, and what no update can do."""
    wanted = change.resource.parameters
    before = {column["Name"]: column["Type"] for column in there.get("OutputColumns") or ()}
    after = output_fields(wanted)
    for name, kind in before.items():
        if name not in after:
            change.lost.append(f"the field {name} goes")
        elif after[name] != kind:
            change.lost.append(f"the field {name} becomes {after[name]}; it is {kind}")
    is_new, was_new = bool(wanted.get("DataPrepConfiguration")), bool(there.get("DataPrepConfiguration"))
    if is_new != was_new:
        change.lost.append("it is of the other kind of data preparation, which no update changes")
        change.action = "recreate"
    if wanted.get("UseAs") != there.get("UseAs"):
        change.lost.append("UseAs differs, which no update changes")
        change.action = "recreate"


def _compare_permissions(change: Change, account: Account, where: Mapping[str, Any]) -> None:
    """Who may do what. A principal that somebody added in the console loses what nobody here gave it."""
    kind, granted = change.resource.kind, change.resource.granted
    if granted is None:
        return
    label = change.resource.label
    operation = f"Describe{kind.operation}Permissions{kind.version}"
    there = {
        one["Principal"]: set(one["Actions"])
        for one in account.call(operation, label, where).get("Permissions") or ()
    }
    wanted = {one["Principal"]: set(one["Actions"]) for one in granted}
    for principal in sorted(wanted.keys() | there.keys()):
        more = wanted.get(principal, set()) - there.get(principal, set())
        less = there.get(principal, set()) - wanted.get(principal, set())
        if more:
            change.grant.append({"Principal": principal, "Actions": sorted(wanted[principal])})
            change.lines.append(f"Permissions: {principal} may {', '.join(sorted(more))}")
        if less:
            change.revoke.append({"Principal": principal, "Actions": sorted(less)})
            change.lines.append(f"Permissions: {principal} may no longer {', '.join(sorted(less))}")


def _compare_tags_and_folders(change: Change, account: Account) -> None:
    resource = change.resource
    there = _tags(account, change.arn, resource.label)
    for tag in resource.parameters.get("Tags", ()):
        if there.get(tag["Key"]) != tag["Value"]:
            change.tags.append(tag)
            change.lines.append(f"Tags: {tag['Key']} becomes {tag['Value']}")
    wanted = resource.parameters.get("FolderArns")
    if wanted and resource.kind.member_type:
        where = {"AwsAccountId": account.account, "ResourceArn": change.arn}
        lies_in = set(account.pages("ListFoldersForResource", resource.label, "Folders", where))
        for folder in wanted:
            if folder not in lies_in:
                change.folders.append(folder.rpartition("/")[2])
                change.lines.append(f"Folders: it comes into {folder.rpartition('/')[2]}")


def _tags(account: Account, arn: str, label: str) -> dict[str, str]:
    answer = account.call("ListTagsForResource", label, {"ResourceArn": arn})
    return {one["Key"]: one["Value"] for one in answer.get("Tags") or ()}
