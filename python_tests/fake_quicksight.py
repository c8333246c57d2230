"""An account of QuickSight and Secrets Manager inside botocore's own events: no socket, no credentials.

It answers after botocore has checked the parameters and before anything is sent. What it keeps it gives back
the way the service does: with members that nobody gave it, and sets in another order.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
REGION = "us-east-1"
KINDS = {
    "Folder": "FolderId",
    "DataSource": "DataSourceId",
    "DataSet": "DataSetId",
    "Topic": "TopicId",
    "Analysis": "AnalysisId",
    "Dashboard": "DashboardId",
}
LISTED = {
    "ListFolders": ("Folder", "FolderSummaryList"),
    "ListDataSources": ("DataSource", "DataSources"),
    "ListDataSets": ("DataSet", "DataSetSummaries"),
    "ListTopics": ("Topic", "TopicsSummaries"),
    "ListAnalyses": ("Analysis", "AnalysisSummaryList"),
    "ListDashboards": ("Dashboard", "DashboardSummaryList"),
}


class Refusal(Exception):  # noqa: N818 - it is not an error of this code's
    """An answer of the service that is a refusal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class FakeAccount:
    """What there is in the account, and which calls were made.

    Attributes:
        kept: (kind, id) -> the parameters that it was made or changed with.
        permissions, tags, folders: of an ARN.
        schedules: (data set, schedule) -> Schedule.
        secrets: name -> text.
        calls: how often each operation was called.
        writes: the operations that changed something, with the id, in order.
        before: called with each operation and its parameters; may raise a Refusal.
        failing: an id whose making fails, with the reason.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], dict[str, Any]] = {}
        self.permissions: dict[str, dict[str, set[str]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.folders: dict[str, set[str]] = {}
        self.schedules: dict[tuple[str, str], dict[str, Any]] = {}
        self.secrets: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        self.writes: list[tuple[str, str]] = []
        self.before: Callable[[str, dict[str, Any]], None] = lambda operation, parameters: None
        self.failing: dict[str, str] = {}
        self.looks: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.published: dict[str, int] = {}

    def client(self, service: str = "quicksight") -> Any:
        """A boto3 client that this account answers."""
        client = boto3.client(
            service,
            region_name=REGION,
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
        )
        given: dict[str, Any] = {}

        def keep(params: dict[str, Any], **_: Any) -> None:
            given["now"] = copy.deepcopy(params)

        def answer(model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
            return self.answer(model.name, given["now"])

        client.meta.events.register(f"before-parameter-build.{service}", keep)
        client.meta.events.register(f"before-call.{service}", answer)
        return client

    def answer(self, operation: str, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The response and what is parsed from it."""
        self.calls[operation] += 1
        try:
            self.before(operation, given)
            parsed = copy.deepcopy(self.do(operation, given))
        except Refusal as error:
            told = {"Code": error.code, "Message": error.message}
            return SimpleNamespace(status_code=400), {"Error": told, "ResponseMetadata": {}}
        return SimpleNamespace(status_code=200), {**parsed, "Status": 200, "ResponseMetadata": {}}

    def do(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """An operation's effect and answer."""
        if operation.endswith("RefreshSchedule"):
            return self.schedule(operation, given)
        if operation in LISTED:
            return self.listing(operation, given)
        if operation in ("DescribeSecret", "CreateSecret", "GetSecretValue"):
            return self.secret(operation, given)
        if hasattr(self, operation):
            return getattr(self, operation)(given)
        operation = operation.removesuffix("V2")
        for verb in ("Create", "Update", "Describe", "Delete"):
            rest = operation.removeprefix(verb)
            if rest == operation:
                continue
            kind = rest.removesuffix("Permissions").removesuffix("Definition")
            key = (kind, given[KINDS[kind]])
            if verb != "Create" and key not in self.kept:
                raise Refusal("ResourceNotFoundException", f"{kind} {key[1]} is not there")
            if rest.endswith("Permissions"):
                return self.permit(verb, self.arn(*key), given)
            return getattr(self, verb.lower())(*key, given, rest.endswith("Definition"))
        raise AssertionError(f"the fake does not know {operation}")

    @staticmethod
    def arn(kind: str, one_id: str) -> str:
        return f"arn:aws:quicksight:{REGION}:{ACCOUNT}:{kind.lower()}/{one_id}"

    def write(self, operation: str, one_id: str) -> None:
        self.writes.append((operation, one_id))

    def check(self, kind: str, given: dict[str, Any]) -> None:
        """What the service refuses, and botocore does not."""
        if kind == "DataSet" and given["ImportMode"] not in ("SPICE", "DIRECT_QUERY"):
            raise Refusal("InvalidParameterValueException", f"ImportMode {given['ImportMode']} is not valid")
        if kind == "DataSet":
            for table in given["PhysicalTableMap"].values():
                (inner,) = table.values()
                source = inner["DataSourceArn"].rpartition("/")[2]
                if ("DataSource", source) not in self.kept:
                    raise Refusal(
                        "InvalidParameterValueException", f"The data source {source} does not exist"
                    )

    def create(self, kind: str, one_id: str, given: dict[str, Any], _: bool) -> dict[str, Any]:
        if (kind, one_id) in self.kept:
            raise Refusal("ResourceExistsException", f"{kind} {one_id} exists")
        self.check(kind, given)
        arn = self.arn(kind, one_id)
        self.write(f"Create{kind}", one_id)
        self.permissions[arn] = {
            one["Principal"]: set(one["Actions"]) for one in given.pop("Permissions", [])
        }
        self.tags[arn] = {one["Key"]: one["Value"] for one in given.pop("Tags", [])}
        self.folders[arn] = set(given.pop("FolderArns", []))
        self.kept[kind, one_id] = given
        self.looks[one_id] = 0
        self.versions[one_id] = 1
        self.published[one_id] = 1
        return {"Arn": arn, KINDS[kind]: one_id}

    def update(self, kind: str, one_id: str, given: dict[str, Any], _: bool) -> dict[str, Any]:
        self.check(kind, given)
        assert not {"Permissions", "Tags", "FolderArns", "UseAs"} & given.keys()
        self.write(f"Update{kind}", one_id)
        before = self.kept[kind, one_id]
        stays = ("Type", "UseAs", "FolderType", "ParentFolderArn")
        self.kept[kind, one_id] = {name: before[name] for name in stays if name in before} | given
        arn = self.arn(kind, one_id)
        if kind == "Dashboard":
            self.versions[one_id] += 1
            return {"Arn": arn, "VersionArn": f"{arn}/version/{self.versions[one_id]}"}
        return {"Arn": arn}

    def delete(self, kind: str, one_id: str, given: dict[str, Any], _: bool) -> dict[str, Any]:
        self.write(f"Delete{kind}", one_id)
        del self.kept[kind, one_id]
        for key in [key for key in self.schedules if kind == "DataSet" and key[0] == one_id]:
            del self.schedules[key]
        return {KINDS[kind]: one_id}

    def describe(self, kind: str, one_id: str, given: dict[str, Any], is_definition: bool) -> dict[str, Any]:
        kept = copy.deepcopy(self.kept[kind, one_id])
        kept["Arn"] = self.arn(kind, one_id)
        if is_definition:
            # the service fills in what nobody gave it
            for sheet in kept["Definition"]["Sheets"]:
                sheet["ParameterControls"] = []
                for visual in sheet["Visuals"]:
                    next(iter(visual.values()))["Actions"] = []
                    next(iter(visual.values()))["ColumnHierarchies"] = [
                        {"DateTimeHierarchy": {"HierarchyId": "x"}}
                    ]
            return {
                "Definition": kept["Definition"],
                "Name": kept["Name"],
                "ResourceStatus": "CREATION_SUCCESSFUL",
            }
        self.looks[one_id] += 1
        status = "CREATION_IN_PROGRESS" if self.looks[one_id] == 1 else "CREATION_SUCCESSFUL"
        errors = None
        if one_id in self.failing:
            status, errors = (
                "CREATION_FAILED",
                {"Type": "CONNECTION_FAILURE", "Message": self.failing[one_id]},
            )
        if kind == "DataSource":
            kept["SecretArn"] = kept.pop("Credentials")["SecretArn"]
            return {"DataSource": {**kept, "Status": status, "ErrorInfo": errors}}
        if kind == "Dashboard":
            version = {"Status": status, "Errors": [errors] if errors else []}
            return {"Dashboard": {"Arn": kept["Arn"], "Version": version}}
        if kind == "Analysis":
            return {"Analysis": {"Arn": kept["Arn"], "Status": status, "Errors": [errors] if errors else []}}
        if kind == "Topic":
            return kept
        if kind == "DataSet":
            kept |= {"OutputColumns": output_columns(kept), "ConsumedSpiceCapacityInBytes": 0}
            kept["DataSetUsageConfiguration"] = {"DisableUseAsDirectQuerySource": False}
            for table in kept["PhysicalTableMap"].values():
                (inner,) = table.values()
                for name in ("InputColumns", "Columns"):
                    inner.get(name, []).reverse()
        return {kind: kept}

    def permit(self, verb: str, arn: str, given: dict[str, Any]) -> dict[str, Any]:
        granted = self.permissions[arn]
        if verb == "Update":
            self.write("UpdatePermissions", arn.rpartition("/")[2])
            for one in given.get("RevokePermissions", []):
                granted[one["Principal"]] -= set(one["Actions"])
            for one in given.get("GrantPermissions", []):
                granted.setdefault(one["Principal"], set()).update(one["Actions"])
        shown = [
            {"Principal": principal, "Actions": sorted(actions, reverse=True)}
            for principal, actions in reversed(granted.items())
            if actions
        ]
        return {"Permissions": shown}

    def schedule(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        schedule_id = given.get("ScheduleId") or given["Schedule"]["ScheduleId"]
        key = (given["DataSetId"], schedule_id)
        if ("DataSet", key[0]) not in self.kept or (
            not operation.startswith("Create") and key not in self.schedules
        ):
            raise Refusal("ResourceNotFoundException", f"{key} is not there")
        if operation.startswith("Describe"):
            return {
                "RefreshSchedule": {**self.schedules[key], "Arn": f"{self.arn('DataSet', key[0])}/{key[1]}"}
            }
        self.write(operation, key[0])
        if operation.startswith("Delete"):
            del self.schedules[key]
        elif operation.startswith("Create") and key in self.schedules:
            raise Refusal("ResourceExistsException", f"{key} exists")
        else:
            self.schedules[key] = given["Schedule"]
        return {}

    def listing(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """One entry a page."""
        kind, member = LISTED[operation]
        ids = sorted(one_id for one_kind, one_id in self.kept if one_kind == kind)
        place = int(given.get("NextToken", 0))
        entries = [{KINDS[kind]: one_id, "Arn": self.arn(kind, one_id)} for one_id in ids[place : place + 1]]
        token = {"NextToken": str(place + 1)} if place + 1 < len(ids) else {}
        return {member: entries, **token}

    def secret(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        name = given.get("SecretId") or given["Name"]
        if operation == "CreateSecret":
            self.write(operation, name)
            self.secrets[name] = given["SecretString"]
        elif name not in self.secrets:
            raise Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return {
            "ARN": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf",
            "Name": name,
            **({"SecretString": self.secrets[name]} if operation == "GetSecretValue" else {}),
        }

    def ListTagsForResource(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        tags = [{"Key": key, "Value": value} for key, value in self.tags[given["ResourceArn"]].items()]
        return {"Tags": tags[::-1]}

    def TagResource(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.write("TagResource", given["ResourceArn"].rpartition("/")[2])
        self.tags[given["ResourceArn"]] |= {one["Key"]: one["Value"] for one in given["Tags"]}
        return {}

    def ListFoldersForResource(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Folders": sorted(self.folders[given["ResourceArn"]])}

    def CreateFolderMembership(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.write("CreateFolderMembership", given["MemberId"])
        kind = {"DATASET": "dataset", "DATASOURCE": "datasource"}.get(
            given["MemberType"], given["MemberType"].lower()
        )
        self.folders[self.arn(kind, given["MemberId"])].add(self.arn("folder", given["FolderId"]))
        return {}

    def UpdateDashboardPublishedVersion(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.write("UpdateDashboardPublishedVersion", given["DashboardId"])
        self.published[given["DashboardId"]] = given["VersionNumber"]
        return {}


def output_columns(kept: dict[str, Any]) -> list[dict[str, str]]:
    """The fields of a data set: what the last projection keeps, typed as it was read."""
    types: dict[str, str] = {}
    for table in kept["PhysicalTableMap"].values():
        (inner,) = table.values()
        for column in inner.get("InputColumns") or inner["Columns"]:
            types[column["Name"]] = "INTEGER" if column["Type"] == "BIT" else column["Type"]
    text = json.dumps(kept)
    names = {}
    for part in _within(json.loads(text), "NewColumnName"):
        names[part["NewColumnName"]] = part["ColumnName"]
    (projected,) = [part["ProjectedColumns"] for part in _within(json.loads(text), "ProjectedColumns")]
    return [{"Name": name, "Type": types[names.get(name, name)]} for name in projected]


def _within(value: Any, member: str) -> list[dict[str, Any]]:
    found = [value] if isinstance(value, dict) and member in value else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return found + [part for one in inner for part in _within(one, member)]
