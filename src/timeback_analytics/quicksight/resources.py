"""Kinds of resources, and rendered resources as JSON files: one each, with what its creation takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timeback_analytics.errors import TimebackError


@dataclass(frozen=True)
class Kind:
    """A kind of resource, and the service's words for it.

    Attributes:
        name: the folder of its files.
        operation: what stands behind Create, Update, Describe and Delete.
        id_names: the parameters that say which one it is.
        described: the member of the description that holds it; "" where its members lie at the top.
        arn: the word in its ARN; "" for a kind that has none of its own.
        describe: another operation that describes it, where Describe tells too little.
        member_type: what it is called in a folder; "" where it cannot lie in one.
        has_permissions: whether its creation takes permissions.
        version: what the names of the operations end with.
    """

    name: str
    operation: str
    id_names: tuple[str, ...]
    described: str
    arn: str = ""
    describe: str = ""
    member_type: str = ""
    has_permissions: bool = True
    version: str = ""

    @property
    def create(self) -> str:
        """The operation that makes one."""
        return f"Create{self.operation}{self.version}"

    @property
    def update(self) -> str:
        """The operation that changes one."""
        return f"Update{self.operation}{self.version}"

    @property
    def delete(self) -> str:
        """The operation that takes one away."""
        return f"Delete{self.operation}{self.version}"

    @property
    def describe_operation(self) -> str:
        """The operation that tells what there is."""
        return self.describe or f"Describe{self.operation}{self.version}"


# In the order in which they are made; they are deleted in the opposite one.
KINDS = (
    Kind("folders", "Folder", ("FolderId",), "Folder", "folder"),
    Kind(
        "data-sources", "DataSource", ("DataSourceId",), "DataSource", "datasource", member_type="DATASOURCE"
    ),
    Kind("data-sets", "DataSet", ("DataSetId",), "DataSet", "dataset", member_type="DATASET"),
    Kind(
        "refresh-schedules",
        "RefreshSchedule",
        ("DataSetId", "ScheduleId"),
        "RefreshSchedule",
        has_permissions=False,
    ),
    Kind("topics", "Topic", ("TopicId",), "", "topic", member_type="TOPIC", has_permissions=False),
    Kind(
        "topics-v2",
        "Topic",
        ("TopicId",),
        "",
        "topic",
        member_type="TOPIC",
        has_permissions=False,
        version="V2",
    ),
    Kind(
        "analyses",
        "Analysis",
        ("AnalysisId",),
        "",
        "analysis",
        "DescribeAnalysisDefinition",
        member_type="ANALYSIS",
    ),
    Kind(
        "dashboards",
        "Dashboard",
        ("DashboardId",),
        "",
        "dashboard",
        "DescribeDashboardDefinition",
        member_type="DASHBOARD",
    ),
)
KIND = {kind.name: kind for kind in KINDS}
# Topics take their permissions by a call of their own; so these are its parameters.
TOPIC_PERMISSIONS = "topic-permissions"


@dataclass(frozen=True)
class Resource:
    """One rendered resource.

    Attributes:
        kind: what it is.
        name: its file's, without .json.
        parameters: of its creation.
        permissions: who may do what with it; None where nothing is said of that.
    """

    kind: Kind
    name: str
    parameters: Mapping[str, Any]
    permissions: tuple[Mapping[str, Any], ...] | None = None

    @property
    def ids(self) -> dict[str, str]:
        """The parameters that say which one it is."""
        if self.kind.name == "refresh-schedules":
            schedule = self.parameters["Schedule"]["ScheduleId"]
            return {"DataSetId": self.parameters["DataSetId"], "ScheduleId": schedule}
        return {name: self.parameters[name] for name in self.kind.id_names}

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.kind.name}/{self.name}"

    @property
    def granted(self) -> list[Mapping[str, Any]] | None:
        """Who may do what with it; None where nothing is said of that."""
        if self.kind.has_permissions:
            return self.parameters.get("Permissions")
        return list(self.permissions) if self.permissions is not None else None


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """In the order of creation: what others need comes first."""
    return sorted(
        resources,
        key=lambda one: (
            KINDS.index(one.kind),
            "ParentFolderArn" in one.parameters,
            "RowLevelPermissionDataSet" in json.dumps(one.parameters),
            one.name,
        ),
    )


def write(resources: Iterable[Resource], folder: Path) -> int:
    """Write one JSON file a resource; files of resources that are no more are removed.

    Returns:
        How many resources there are.

    Raises:
        TimebackError: a file cannot be written.
    """
    files = {}
    for resource in resources:
        files[folder / resource.kind.name / f"{resource.name}.json"] = resource.parameters
        if resource.permissions is not None:
            given = {
                "AwsAccountId": resource.parameters["AwsAccountId"],
                **resource.ids,
                "GrantPermissions": list(resource.permissions),
            }
            files[folder / TOPIC_PERMISSIONS / f"{resource.name}.json"] = given
    try:
        for path, parameters in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(to_json(parameters), encoding="utf-8")
        for kind in (*KIND, TOPIC_PERMISSIONS):
            for path in (folder / kind).glob("*.json"):
                if path not in files:
                    path.unlink()
    except OSError as error:
        raise TimebackError(f"{error.filename} cannot be written: {error.strerror}.") from error
    return sum(path.parent.name != TOPIC_PERMISSIONS for path in files)


def to_json(parameters: Mapping[str, Any]) -> str:
    """The text of a file: keys sorted, so that git shows what changed and nothing else."""
    return json.dumps(parameters, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read(folder: Path) -> list[Resource]:
    """The resources in a folder that `write` wrote.

    Raises:
        TimebackError: there are none, or a file is not JSON, or does not say which resource it is.
    """
    resources = []
    for path in sorted(folder.glob("*/*.json")):
        if path.parent.name not in KIND:
            continue
        kind = KIND[path.parent.name]
        permissions = None
        if not kind.has_permissions:
            beside = folder / TOPIC_PERMISSIONS / path.name
            if kind.operation == "Topic" and beside.is_file():
                permissions = tuple(_object(beside).get("GrantPermissions", ()))
        resource = Resource(kind, path.stem, _object(path), permissions)
        try:
            known = {**resource.ids, "AwsAccountId": resource.parameters["AwsAccountId"]}
        except (KeyError, TypeError):
            known = {}
        if not known or not all(isinstance(one, str) for one in known.values()):
            raise TimebackError(f"{path} does not say AwsAccountId and {', '.join(kind.id_names)}.")
        resources.append(resource)
    if not resources:
        raise TimebackError(
            f"{folder} holds no rendered resource. `timeback quicksight render --out {folder}` writes them."
        )
    return in_order(resources)


def _object(path: Path) -> dict[str, Any]:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TimebackError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise TimebackError(f"{path} is not JSON: {error}. Render it again, or correct it.") from None
    if not isinstance(given, dict):
        raise TimebackError(f"{path} is not an object of parameters.")
    return given
