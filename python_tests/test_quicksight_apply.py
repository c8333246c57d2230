# ruff: noqa: F811  fixtures of quicksight_account are named as parameters
"""plan, apply and delete against an account inside botocore's events: nothing is sent to AWS."""

import copy
import dataclasses
import random
from uuid import UUID

import pytest

from fake_quicksight import FakeAccount
from quicksight_account import (  # noqa: F401
    ATTEMPTS,
    ATTEMPTS_ARN,
    SOME,
    account,
    applied,
    description,
    everything,
    fake,
    labels,
    resources,
)
from quicksight_kit import ACCOUNT, ANALYSTS, SETTINGS, TEACHERS, spoiled, within
from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.account import Account
from timeback_analytics.quicksight.apply import apply, delete
from timeback_analytics.quicksight.plan import left_over, plan
from timeback_analytics.quicksight.render import render


def test_an_empty_account_gets_everything_in_an_order_that_works(fake, account, everything):
    changes = plan(everything, account)
    assert {change.action for change in changes} == {"create"}
    assert fake.writes == []
    assert apply(changes, account) == len(everything)
    made = {one_id for kind, one_id in fake.kept if kind == "DataSet"}
    assert len(made) == 58 and len(fake.schedules) == 58
    assert fake.permissions[ATTEMPTS_ARN].keys() == {ANALYSTS, TEACHERS}
    topic = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:topic/timeback-catalog"
    assert fake.permissions[topic].keys() == {ANALYSTS, TEACHERS}
    before = copy.deepcopy(fake.kept)
    again = plan(everything, account)
    assert labels(again) == {}
    fake.writes.clear()
    assert apply(again, account) == 0
    assert fake.writes == [] and fake.kept == before


def test_row_rules_and_the_new_preparation_are_idempotent_too(description):
    for variant in ({"row_rules": True}, {"preparation": "new"}, {"row_rules": True, "preparation": "new"}):
        fake = FakeAccount()
        account = Account(ACCOUNT, fake.client(), pause=lambda seconds: None)
        resources = render(description, dataclasses.replace(SETTINGS, **variant))
        apply(plan(resources, account), account)
        assert labels(plan(resources, account)) == {}, variant
        if "row_rules" in variant:
            order = [one_id for operation, one_id in fake.writes if operation == "CreateDataSet"]
            assert order.index("timeback-row-rules") < order.index("timeback-attempts")


def test_one_description_changed_is_one_update(applied, account, resources):
    def spoil(given):
        next(iter(within(given, "ColumnDescription")))["Text"] = "Who it was."

    changed = spoiled(resources, ATTEMPTS, spoil)
    changes = plan(changed, account)
    assert labels(changes) == {ATTEMPTS: "update"}
    (change,) = (one for one in changes if one.is_change)
    assert change.lines == [
        "LogicalTableMap.attempts.DataTransforms[9].TagColumnOperation.Tags[0].ColumnDescription.Text: "
        "The student, a UUID: students.id, which is the id of the OneRoster user. Never null. "
        "becomes Who it was."
    ]
    assert apply(changes, account) == 1
    assert applied.writes == [("UpdateDataSet", "timeback-attempts")]
    assert applied.permissions[ATTEMPTS_ARN].keys() == {ANALYSTS, TEACHERS}
    assert labels(plan(changed, account)) == {}


def test_the_order_of_sets_is_no_change(applied, account, resources):
    shuffler = random.Random(17)

    def shuffle(value):
        if isinstance(value, dict):
            for name in ("InputColumns", "columns", "Actions", "Permissions", "Tags", "ProjectedColumns"):
                if isinstance(value.get(name), list):
                    shuffler.shuffle(value[name])
            for inner in value.values():
                shuffle(inner)
        elif isinstance(value, list):
            for inner in value:
                shuffle(inner)

    for label in SOME:
        if label.startswith(("data-", "folders")):
            assert labels(plan(spoiled(resources, label, shuffle), account)) == {}, label


def _drop(given, column, name):
    (table,) = given["PhysicalTableMap"].values()
    inner = table["RelationalTable"]
    inner["InputColumns"] = [one for one in inner["InputColumns"] if one["Name"] != column]
    given["LogicalTableMap"]["attempts"]["DataTransforms"] = [
        one
        for one in given["LogicalTableMap"]["attempts"]["DataTransforms"]
        if one.get("RenameColumnOperation", {}).get("ColumnName") != column
        and one.get("TagColumnOperation", {}).get("ColumnName") != name
    ]
    for columns in [*within(given, "ProjectedColumns"), *within(given, "columns")]:
        if name in columns:
            columns.remove(name)


def _retype(given, column, kind):
    (table,) = given["PhysicalTableMap"].values()
    for one in table["RelationalTable"]["InputColumns"]:
        if one["Name"] == column:
            one["Type"] = kind


@pytest.mark.parametrize(
    ("spoil", "lost"),
    [
        (lambda p: _drop(p, "is_correct", "Is correct"), "the field Is correct goes"),
        (lambda p: _retype(p, "is_correct", "STRING"), "the field Is correct becomes STRING; it is INTEGER"),
        (
            lambda p: _retype(p, "duration_sec", "INTEGER"),
            "the field Duration (seconds) becomes INTEGER; it is DECIMAL",
        ),
    ],
)
def test_a_column_that_goes_or_changes_its_type_needs_force(applied, account, resources, spoil, lost):
    changed = spoiled(resources, ATTEMPTS, spoil)
    changed = spoiled(changed, "data-sets/sessions", lambda given: given.update(Name="Sessions, all"))
    changes = plan(changed, account)
    with pytest.raises(TimebackError) as error:
        apply(changes, account)
    assert lost in str(error.value) and "Nothing was changed" in str(error.value)
    assert applied.writes == []
    assert apply(changes, account, force=True) == 2
    assert ("UpdateDataSet", "timeback-attempts") in applied.writes
    assert labels(plan(changed, account)) == {}


def test_a_new_column_needs_no_force(applied, account, resources, everything):
    for key in applied.kept:
        if key == ("DataSet", "timeback-attempts"):
            _drop(applied.kept[key], "is_correct", "Is correct")
    changes = plan(resources, account)
    assert labels(changes) == {ATTEMPTS: "update"}
    assert apply(changes, account) == 1


def test_another_data_preparation_is_made_anew_under_the_same_id(applied, account, description):
    newer = render(description, dataclasses.replace(SETTINGS, preparation="new"))
    newer = [one for one in newer if one.label in SOME and not one.label.startswith("topics")]
    changes = plan(newer, account)
    with pytest.raises(TimebackError, match="the other kind of data preparation"):
        apply(changes, account)
    assert applied.writes == []
    apply(changes, account, force=True)
    wanted = [("DeleteDataSet", "timeback-attempts"), ("CreateDataSet", "timeback-attempts")]
    assert [one for one in applied.writes if one in wanted] == wanted
    assert ("timeback-attempts", "nightly") in applied.schedules
    assert labels(plan(newer, account)) == {}


def test_a_permission_changed_in_the_console_is_set_right(applied, account, resources):
    guest = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:user/default/guest"
    granted = applied.permissions[ATTEMPTS_ARN]
    granted[guest] = {"quicksight:PassDataSet", "quicksight:DescribeDataSet"}
    granted[TEACHERS].add("quicksight:DeleteDataSet")
    granted[ANALYSTS].discard("quicksight:UpdateDataSet")
    changes = plan(resources, account)
    (change,) = (one for one in changes if one.is_change)
    assert change.resource.label == ATTEMPTS and change.action == "unchanged"
    assert (
        f"Permissions: {guest} may no longer quicksight:DescribeDataSet, quicksight:PassDataSet"
        in change.lines
    )
    assert f"Permissions: {TEACHERS} may no longer quicksight:DeleteDataSet" in change.lines
    assert f"Permissions: {ANALYSTS} may quicksight:UpdateDataSet" in change.lines
    assert apply(changes, account) == 1
    assert set(applied.writes) == {("UpdatePermissions", "timeback-attempts")}
    assert not granted[guest]
    assert "quicksight:DeleteDataSet" not in granted[TEACHERS]
    assert "quicksight:UpdateDataSet" in granted[ANALYSTS]
    assert labels(plan(resources, account)) == {}


def test_tags_and_folders_are_asked_for_and_set(applied, account, resources):
    applied.tags[ATTEMPTS_ARN] = {"project": "other", "cost-center": "7"}
    applied.folders[ATTEMPTS_ARN] = {"arn:of:a:folder/of-somebody"}
    changes = plan(resources, account)
    assert labels(changes) == {ATTEMPTS: "unchanged"}
    apply(changes, account)
    assert applied.writes == [
        ("TagResource", "timeback-attempts"),
        ("CreateFolderMembership", "timeback-attempts"),
    ]
    assert applied.tags[ATTEMPTS_ARN]["project"] == "timeback-analytics"
    assert applied.tags[ATTEMPTS_ARN]["cost-center"] == "7"
    assert "arn:of:a:folder/of-somebody" in applied.folders[ATTEMPTS_ARN]
    assert labels(plan(resources, account)) == {}


def test_row_rules_that_somebody_took_away_come_back(description):
    fake = FakeAccount()
    account = Account(ACCOUNT, fake.client(), pause=lambda seconds: None)
    resources = render(description, dataclasses.replace(SETTINGS, row_rules=True))
    apply(plan(resources, account), account)
    del fake.kept["DataSet", "timeback-attempts"]["RowLevelPermissionDataSet"]
    fake.kept["DataSet", "timeback-sessions"]["RowLevelPermissionDataSet"]["Status"] = "DISABLED"
    fake.kept["DataSet", "timeback-courses"]["RowLevelPermissionTagConfiguration"] = {
        "TagRules": [{"TagKey": "x", "ColumnName": "ID"}]
    }
    assert labels(plan(resources, account)) == dict.fromkeys(
        (ATTEMPTS, "data-sets/sessions", "data-sets/courses"), "update"
    )
    apply(plan(resources, account), account)
    assert fake.kept["DataSet", "timeback-attempts"]["RowLevelPermissionDataSet"]["Status"] == "ENABLED"
    assert labels(plan(resources, account)) == {}


def test_a_dashboard_that_changed_is_published(applied, account, resources):
    changed = spoiled(
        resources,
        "dashboards/school-week",
        lambda given: given["Definition"]["CalculatedFields"][0].update(Expression="max({ID})"),
    )
    changes = plan(changed, account)
    assert labels(changes) == {"dashboards/school-week": "update"}
    apply(changes, account)
    assert applied.published["timeback-school-week"] == 2
    assert labels(plan(changed, account)) == {}


def test_a_visual_added_in_the_console_is_a_change(applied, account, resources):
    definition = applied.kept["Dashboard", "timeback-school-week"]["Definition"]
    definition["Sheets"][0]["Visuals"].append({"KPIVisual": {"VisualId": "own"}})
    (change,) = (one for one in plan(resources, account) if one.is_change)
    assert change.lines == ["Definition.Sheets[0].Visuals: 10 entries become 9"]


def test_nothing_is_deleted_unless_asked_and_then_only_this_installation(
    applied, account, resources, description
):
    organization = UUID("1a2b3c4d-1111-2222-3333-444455556666")
    theirs = render(description, SETTINGS.for_organization(organization, "North", SETTINGS.secret_arn))
    apply(plan([one for one in theirs if one.label in SOME], account), account)
    test = render(description, dataclasses.replace(SETTINGS, prefix="timeback-test"))
    apply(plan([one for one in test if one.label in SOME], account), account)
    fewer = [one for one in resources if one.name != "students-xp"]
    before = set(applied.kept)
    apply(plan(fewer, account), account)
    assert set(applied.kept) == before
    old = left_over(fewer, account)
    assert [one.label for one in old] == ["data-sets/timeback-students-xp"]
    assert delete(old, account) == 1
    assert set(applied.kept) == before - {("DataSet", "timeback-students-xp")}
    assert delete(old, account) == 0


def test_delete_takes_the_last_made_first(applied, account, resources):
    told = []
    assert delete(resources, account, told.append) == len(resources)
    assert applied.kept == {} and applied.schedules == {}
    assert told[0].startswith("dashboards/") and told[-1].startswith("folders/")
    assert applied.writes[-1] == ("DeleteFolder", "timeback-catalog")
    assert delete(resources, account) == 0
