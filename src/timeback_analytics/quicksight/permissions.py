"""What authors and readers may do with each kind of resource, as QuickSight names it."""

from __future__ import annotations

from typing import Any

from timeback_analytics.quicksight.settings import Settings

READ = {
    "folder": ("DescribeFolder",),
    "datasource": ("DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource"),
    "dataset": (
        "DescribeDataSet",
        "DescribeDataSetPermissions",
        "PassDataSet",
        "DescribeIngestion",
        "ListIngestions",
    ),
    "topic": ("DescribeTopic",),
    "analysis": (),
    "dashboard": ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard"),
}
CHANGE = {
    "folder": (
        "CreateFolder",
        "UpdateFolder",
        "DeleteFolder",
        "CreateFolderMembership",
        "DeleteFolderMembership",
        "DescribeFolderPermissions",
        "UpdateFolderPermissions",
    ),
    "datasource": ("UpdateDataSource", "DeleteDataSource", "UpdateDataSourcePermissions"),
    "dataset": (
        "UpdateDataSet",
        "DeleteDataSet",
        "CreateIngestion",
        "CancelIngestion",
        "UpdateDataSetPermissions",
    ),
    "topic": (
        "DescribeTopicRefresh",
        "ListTopicRefreshSchedules",
        "DescribeTopicRefreshSchedule",
        "DeleteTopic",
        "UpdateTopic",
        "CreateTopicRefreshSchedule",
        "DeleteTopicRefreshSchedule",
        "UpdateTopicRefreshSchedule",
        "DescribeTopicPermissions",
        "UpdateTopicPermissions",
    ),
    "analysis": (
        "RestoreAnalysis",
        "UpdateAnalysisPermissions",
        "DeleteAnalysis",
        "DescribeAnalysisPermissions",
        "QueryAnalysis",
        "DescribeAnalysis",
        "UpdateAnalysis",
    ),
    "dashboard": (
        "UpdateDashboardPermissions",
        "UpdateDashboard",
        "DeleteDashboard",
        "DescribeDashboardPermissions",
        "UpdateDashboardPublishedVersion",
    ),
}


def permissions(settings: Settings, kind: str, readers: bool = True) -> list[dict[str, Any]]:
    """Permissions of authors and, where they may do something, of readers; by principal.

    Args:
        settings: who is who.
        kind: folder, datasource, dataset, topic, analysis or dashboard.
        readers: whether readers may read this one at all.
    """
    granted = dict.fromkeys(settings.authors, (*READ[kind], *CHANGE[kind]))
    if readers and READ[kind]:
        granted = dict.fromkeys(settings.readers, READ[kind]) | granted
    return [
        {"Principal": principal, "Actions": sorted(f"quicksight:{action}" for action in actions)}
        for principal, actions in sorted(granted.items())
    ]
