"""What the tests of plan, apply and delete share: a fake account inside botocore, and some resources."""

import pytest

from fake_quicksight import FakeAccount
from quicksight_kit import ACCOUNT, ATTEMPTS, description, everything
from timeback_analytics.quicksight.account import Account
from timeback_analytics.quicksight.apply import apply
from timeback_analytics.quicksight.plan import plan

__all__ = ["ATTEMPTS", "description", "everything"]
SOME = (
    "folders/catalog",
    "folders/activity",
    "folders/mastery",
    "folders/insights",
    "data-sources/postgres",
    "data-sets/attempts",
    "data-sets/sessions",
    "data-sets/students-xp",
    "refresh-schedules/attempts",
    "topics/catalog",
    "analyses/school-week",
    "dashboards/school-week",
)
ATTEMPTS_ARN = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:dataset/timeback-attempts"


@pytest.fixture
def resources(everything):
    return [one for one in everything if one.label in SOME]


@pytest.fixture
def fake():
    return FakeAccount()


@pytest.fixture
def account(fake):
    return Account(ACCOUNT, fake.client(), pause=lambda seconds: None)


@pytest.fixture
def applied(fake, account, resources):
    apply(plan(resources, account), account)
    fake.writes.clear()
    fake.calls.clear()
    return fake


def labels(changes):
    return {change.resource.label: change.action for change in changes if change.is_change}
