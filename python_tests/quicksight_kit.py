"""What the tests of QuickSight share: an installation, and resources that are spoiled one way at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from timeback_analytics.quicksight.check import check
from timeback_analytics.quicksight.render import describe, render
from timeback_analytics.quicksight.resources import Resource
from timeback_analytics.quicksight.settings import Settings

GOLDEN = Path(__file__).parent / "golden_quicksight"
# One resource of each shape; a change of any other shows in the folder that an installation keeps in git.
REVIEWED = (
    "folders/catalog",
    "folders/activity",
    "data-sources/postgres",
    "data-sets/attempts",
    "data-sets/roar-variants",
    "data-sets/placement-results-named",
    "refresh-schedules/attempts",
    "dashboards/school-week",
    "dashboards/mastery-and-placement",
    "dashboards/integrity",
)
ATTEMPTS = "data-sets/attempts"
WEEK = "dashboards/school-week"
ACCOUNT = "123456789012"
ANALYSTS = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:group/default/analysts"
TEACHERS = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:group/default/teachers"
SETTINGS = Settings(
    account=ACCOUNT,
    region="us-east-1",
    host="db.example.org",
    database="timeback",
    secret_arn=f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:timeback/quicksight-AbCdEf",
    vpc_connection_arn=f"arn:aws:quicksight:us-east-1:{ACCOUNT}:vpcConnection/timeback",
    authors=(ANALYSTS,),
    readers=(TEACHERS,),
)
SETTINGS_YAML = f"""\
account: "{ACCOUNT}"
region: us-east-1
host: db.example.org
database: timeback
secret_arn: {SETTINGS.secret_arn}
vpc_connection_arn: {SETTINGS.vpc_connection_arn}
authors: [{ANALYSTS}]
readers: [{TEACHERS}]
"""


@pytest.fixture(scope="session")
def description(manifest, semantic_manifest):
    """The project as it is described to QuickSight."""
    return describe(manifest, semantic_manifest)


@pytest.fixture(scope="session")
def everything(description):
    """What is rendered with these settings."""
    return render(description, SETTINGS)


def spoiled(resources: list[Resource], label: str, spoil: Callable[[dict[str, Any]], None]) -> list[Resource]:
    """The resources, one of which has been changed; the others are the same objects."""
    made = []
    for resource in resources:
        if resource.label == label:
            parameters = copy.deepcopy(dict(resource.parameters))
            spoil(parameters)
            resource = Resource(resource.kind, resource.name, parameters, resource.permissions)
        made.append(resource)
    assert any(one.label == label for one in resources), label
    return made


def within(value: Any, member: str) -> Iterator[Any]:
    """Every value of that member, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == member:
                yield inner
            yield from within(inner, member)
    elif isinstance(value, list):
        for inner in value:
            yield from within(inner, member)


def first(value: Any, member: str) -> Any:
    """The first value of that member."""
    return next(within(value, member))


def told(resources: list[Resource], case: tuple[str, Callable[[dict[str, Any]], None], str]) -> list[str]:
    """What is told of a resource that is spoiled in this way, the expected fault among it."""
    label, spoil, expected = case
    faults = [str(fault) for fault in check(spoiled(resources, label, spoil))]
    assert any(expected in fault for fault in faults), faults
    return faults
