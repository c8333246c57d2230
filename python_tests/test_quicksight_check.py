"""Each check of rendered resources, seen to find what it is for: one thing is spoiled, one fault is told.

The checks that come from AWS's model are in test_quicksight_model.py.
"""

import dataclasses

import pytest

from quicksight_kit import ATTEMPTS, SETTINGS, WEEK, description, everything, first, told, within
from timeback_analytics.quicksight.check import check
from timeback_analytics.quicksight.render import render

__all__ = ["description", "everything"]
NAMED = "data-sets/placement-results-named"


@pytest.fixture(scope="session")
def with_rules(description):
    return render(description, dataclasses.replace(SETTINGS, row_rules=True))


@pytest.fixture(scope="session")
def prepared(description):
    return render(description, dataclasses.replace(SETTINGS, preparation="new", row_rules=True))


def append(given, member, value):
    first(given, member).append(value)


def visual(given, index=0):
    (inner,) = given["Definition"]["Sheets"][0]["Visuals"][index].values()
    return inner


MEANING = {
    "a renamed column that is not there": (
        ATTEMPTS,
        lambda p: first(p, "RenameColumnOperation").update(ColumnName="student"),
        "names student, which is not there",
    ),
    "two columns of one name": (
        ATTEMPTS,
        lambda p: list(within(p, "RenameColumnOperation"))[1].update(NewColumnName="Student ID"),
        "makes a second Student ID",
    ),
    "a projected column that is not there": (
        ATTEMPTS,
        lambda p: append(p, "ProjectedColumns", "Mark"),
        "names Mark, which is not there",
    ),
    "a described column that is not there": (
        ATTEMPTS,
        lambda p: first(p, "TagColumnOperation").update(ColumnName="Mark"),
        "names Mark, which is not there",
    ),
    "a column in a folder that is not there": (
        ATTEMPTS,
        lambda p: p["FieldFolders"]["Activity/Ids"]["columns"].append("Mark"),
        "there is no field Mark",
    ),
    "a key that is not there": (
        "data-sets/students",
        lambda p: p.update(PerformanceConfiguration={"UniqueKeys": [{"ColumnNames": ["Mark"]}]}),
        "UniqueKeys: there is no field Mark",
    ),
    "a join on a column that is not there": (
        NAMED,
        lambda p: first(p, "JoinInstruction").update(OnClause="{Subject} = {Case subjects ID (key)}"),
        "on-clause names Subject, which is not there",
    ),
    "a join of two types": (
        NAMED,
        lambda p: first(p, "JoinInstruction").update(OnClause="{Last updated} = {Case subjects ID (key)}"),
        "joins fields of the types DATETIME, STRING",
    ),
    "a join of a table with itself": (
        NAMED,
        lambda p: first(p, "JoinInstruction").update(LeftOperand="joined-2"),
        "not joined into one",
    ),
    "a table that is read by nothing": (
        NAMED,
        lambda p: p["LogicalTableMap"].pop("joined-2"),
        "are not joined into one",
    ),
    "no such physical table": (
        ATTEMPTS,
        lambda p: p["LogicalTableMap"]["attempts"]["Source"].update(PhysicalTableId="sessions"),
        "reads no physical table that there is",
    ),
    "no such data source": (
        ATTEMPTS,
        lambda p: first(p, "RelationalTable").update(DataSourceArn=first(p, "DataSourceArn") + "x"),
        "there is no datasource timeback-postgresx",
    ),
    "no such folder": (
        ATTEMPTS,
        lambda p: p.update(FolderArns=[p["FolderArns"][0] + "x"]),
        "there is no folder timeback-activityx",
    ),
    "no such data set in a dashboard": (
        WEEK,
        lambda p: first(p, "DataSetIdentifierDeclarations")[0].update(
            DataSetArn=first(p, "DataSetArn") + "x"
        ),
        "there is no dataset timeback-attemptsx",
    ),
    "a password in a file": (
        "data-sources/postgres",
        lambda p: p.update(Credentials={"CredentialPair": {"Username": "u", "Password": "p"}}),
        "a secret's ARN and nothing else",
    ),
    "no TLS": (
        "data-sources/postgres",
        lambda p: p.update(SslProperties={"DisableSsl": True}),
        "must use TLS",
    ),
    "TLS left to the default": ("data-sources/postgres", lambda p: p.pop("SslProperties"), "must use TLS"),
    "a schedule of nothing": (
        "refresh-schedules/attempts",
        lambda p: p.update(DataSetId="timeback-marks"),
        "no data set timeback-marks",
    ),
    "a schedule of a direct query": (
        ATTEMPTS,
        lambda p: p.update(ImportMode="DIRECT_QUERY"),
        "is not in SPICE",
    ),
    "a data set without tables": (
        ATTEMPTS,
        lambda p: p.pop("LogicalTableMap"),
        "neither a LogicalTableMap nor",
    ),
    "a dashboard's column that is not there": (
        WEEK,
        lambda p: visual(p, 4)["ChartConfiguration"]["FieldWells"]["BarChartAggregatedFieldWells"][
            "Category"
        ][0]["DateDimensionField"]["Column"].update(ColumnName="Day"),
        "sessions has no field Day",
    ),
    "a dashboard's data set that is not declared": (
        WEEK,
        lambda p: first(visual(p, 4), "Column").update(DataSetIdentifier="session"),
        "no data set is declared as session",
    ),
    "a calculated field of a column that is not there": (
        WEEK,
        lambda p: p["Definition"]["CalculatedFields"][0].update(Expression="sum({Marks})"),
        "names Marks, which sessions has not",
    ),
    "two calculated fields of one name": (
        WEEK,
        lambda p: p["Definition"]["CalculatedFields"].append(p["Definition"]["CalculatedFields"][0]),
        "there are two fields Value of sessions last week",
    ),
    "a calculated field beyond its length": (
        WEEK,
        lambda p: p["Definition"]["CalculatedFields"][0].update(Expression=" + ".join(["sum({ID})"] * 400)),
        "more than 4096 characters",
    ),
    "a filter by a column that is not there": (
        WEEK,
        lambda p: first(p, "RelativeDatesFilter")["Column"].update(ColumnName="Day"),
        "attempts has no field Day",
    ),
    "a filter on a visual that is not there": (
        WEEK,
        lambda p: first(p, "SheetVisualScopingConfigurations")[0]["VisualIds"].append("marks"),
        "is on marks, which there is not",
    ),
    "a place for a visual that is not there": (
        WEEK,
        lambda p: first(p, "Elements")[0].update(ElementId="marks"),
        "has a place for marks",
    ),
    "two visuals of one id": (
        WEEK,
        lambda p: visual(p, 1).update(VisualId="sessions_last_week"),
        "two visuals sessions_last_week",
    ),
    "a sort by a field that the visual has not": (
        WEEK,
        lambda p: first(visual(p, 4), "FieldSort").update(FieldId="marks"),
        "it is sorted by marks, which it has not",
    ),
    "a topic's column that is not there": (
        "topics/catalog",
        lambda p: first(p, "Columns")[0].update(ColumnName="Marks"),
        "there is no field Marks",
    ),
    "a topic's date that is not there": (
        "topics/catalog",
        lambda p: first(p, "DataAggregation").update(DefaultDateColumnName="Day"),
        "there is no field Day",
    ),
    "a metric over a column that is not there": (
        "topics/catalog",
        lambda p: first(p, "DataSets")[0].update(
            CalculatedFields=[{"CalculatedFieldName": "M", "Expression": "sum({Marks})"}]
        ),
        "there is no field Marks",
    ),
}

RULES = {
    "a data set without its rules": (
        ATTEMPTS,
        lambda p: p.pop("RowLevelPermissionDataSet"),
        "everybody would see everything",
    ),
    "rules that are switched off": (
        ATTEMPTS,
        lambda p: p["RowLevelPermissionDataSet"].update(Status="DISABLED"),
        "not enabled, or grant nothing",
    ),
    "rules that deny": (
        ATTEMPTS,
        lambda p: p["RowLevelPermissionDataSet"].update(PermissionPolicy="DENY_ACCESS"),
        "not enabled, or grant nothing",
    ),
    "rules that are a data set like any other": (
        "data-sets/row-rules",
        lambda p: p.pop("UseAs"),
        "without UseAs RLS_RULES",
    ),
    "rules about a field of another name": (
        "data-sets/row-rules",
        lambda p: first(p, "RenameColumnOperation").update(NewColumnName="user"),
        "names UserName, which is not there",
    ),
    "a query without its columns": (
        ATTEMPTS,
        lambda p: first(p, "CustomSql").pop("Columns"),
        "a query needs its Columns",
    ),
}

PREPARED = {
    "a step after one that is not there": (
        ATTEMPTS,
        lambda p: first(p, "ProjectStep")["Source"].update(TransformOperationId="x"),
        "there is no step x",
    ),
    "a destination that is not there": (
        ATTEMPTS,
        lambda p: p["SemanticModelConfiguration"]["TableMap"]["table"].update(DestinationTableId="x"),
        "there is no destination x",
    ),
    "a described column that is not there": (
        ATTEMPTS,
        lambda p: first(p, "ColumnMetadata")[0].update(ColumnNames=["Marks"]),
        "ColumnMetadata: there is no field Marks",
    ),
    "rules at the top": (
        ATTEMPTS,
        lambda p: p.update(RowLevelPermissionDataSet=first(p, "RowLevelPermissionDataSet")),
        "takes rules about rows in SemanticModelConfiguration alone",
    ),
    "a data set without its rules": (
        ATTEMPTS,
        lambda p: p["SemanticModelConfiguration"]["TableMap"]["table"].pop("RowLevelPermissionConfiguration"),
        "everybody would see everything",
    ),
    "a relation over a column that is not there": (
        "topics-v2/catalog",
        lambda p: first(p, "DataSetRelations")[0]["Left"].update(ColumnNames=["Marks"]),
        "a relation names Marks",
    ),
    "a relation of two types": (
        "topics-v2/catalog",
        lambda p: first(p, "DataSetRelations")[0]["Left"].update(ColumnNames=["Date"]),
        "a relation joins fields of the types",
    ),
    "a relation to a data set that the topic has not": (
        "topics-v2/catalog",
        lambda p: p["Topic"]["DataSets"].pop(1),
        "which is not in the topic",
    ),
}


@pytest.mark.parametrize("name", MEANING)
def test_what_no_model_says_is_checked(everything, name):
    told(everything, MEANING[name])


@pytest.mark.parametrize("name", RULES)
def test_rules_about_rows_are_checked(with_rules, name):
    told(with_rules, RULES[name])


@pytest.mark.parametrize("name", PREPARED)
def test_the_new_data_preparation_is_checked(prepared, name):
    told(prepared, PREPARED[name])


def test_a_list_of_organizations_beside_rules_is_a_fault(everything, with_rules):
    """A data set of way (a) among those of way (b)."""
    (attempts,) = (one for one in everything if one.label == ATTEMPTS)
    mixed = [attempts if one.label == ATTEMPTS else one for one in with_rules]
    assert any("about which there can be no rules" in str(fault) for fault in check(mixed))
