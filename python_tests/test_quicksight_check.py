"""Each check of rendered resources, seen to find what it is for: one thing is spoiled, one fault is told.

The file is long because most of it is one list of cases, which is easiest to read in one place.
"""

import dataclasses

import pytest

from quicksight_kit import SETTINGS, description, spoiled, within
from timeback_analytics.quicksight.check import check
from timeback_analytics.quicksight.model_check import UNIONS, model_faults, service_model
from timeback_analytics.quicksight.render import render

__all__ = ["description"]
ATTEMPTS = "data-sets/attempts"
NAMED = "data-sets/placement-results-named"
WEEK = "dashboards/school-week"


@pytest.fixture(scope="session")
def resources(description):
    return render(description, SETTINGS)


@pytest.fixture(scope="session")
def with_rules(description):
    return render(description, dataclasses.replace(SETTINGS, row_rules=True))


@pytest.fixture(scope="session")
def prepared(description):
    return render(description, dataclasses.replace(SETTINGS, preparation="new", row_rules=True))


def rename_key(given, member, old, new):
    given[member][new] = given[member].pop(old)


def first(given, member):
    return next(within(given, member))


def append(given, member, value):
    first(given, member).append(value)


def visual(given, index=0):
    (inner,) = given["Definition"]["Sheets"][0]["Visuals"][index].values()
    return inner


MODEL = {
    "an enum": (ATTEMPTS, lambda p: p.update(ImportMode="SPICY"), "'SPICY' is none of SPICE, DIRECT_QUERY"),
    "a type that botocore takes": (
        ATTEMPTS,
        lambda p: first(p, "InputColumns")[0].update(Type="UUID"),
        "'UUID' is none of STRING",
    ),
    "an underscore in a table's key": (
        "data-sets/students-mastery",
        lambda p: rename_key(p, "PhysicalTableMap", "students-mastery", "students_mastery"),
        "'students_mastery' does not match",
    ),
    "a key of 65 characters": (
        ATTEMPTS,
        lambda p: rename_key(p, "LogicalTableMap", "attempts", "a" * 65),
        "65 characters where at most 64 are allowed",
    ),
    "a long description of a column": (
        ATTEMPTS,
        lambda p: first(p, "ColumnDescription").update(Text="x" * 501),
        "501 characters where at most 500 are allowed",
    ),
    "two members of a union": (
        ATTEMPTS,
        lambda p: p["PhysicalTableMap"]["attempts"].update(
            CustomSql={"DataSourceArn": "x", "Name": "x", "SqlQuery": "x"}
        ),
        "of PhysicalTable exactly one member may be given, not CustomSql and RelationalTable",
    ),
    "no member of a union": (
        ATTEMPTS,
        lambda p: p["LogicalTableMap"]["attempts"]["DataTransforms"].append({}),
        "of TransformOperation exactly one member may be given, not nothing",
    ),
    "a member that is not there": (
        ATTEMPTS,
        lambda p: p.update(Description="x"),
        "there is no Description in CreateDataSet",
    ),
    "a required member": (ATTEMPTS, lambda p: p.pop("Name"), "Name is missing"),
    "a text for a number": (
        "data-sources/postgres",
        lambda p: first(p, "PostgreSqlParameters").update(Port="5432"),
        "'5432' is no integer",
    ),
    "true for a number": (
        "data-sources/postgres",
        lambda p: first(p, "PostgreSqlParameters").update(Port=True),
        "True is no integer",
    ),
    "a port beyond ports": (
        "data-sources/postgres",
        lambda p: first(p, "PostgreSqlParameters").update(Port=70000),
        "70000 where at most 65535",
    ),
    "an empty name": (ATTEMPTS, lambda p: p.update(Name=""), "0 characters where at least 1"),
    "an id with a dot in a dashboard": (WEEK, lambda p: p.update(DashboardId="a.b"), "'a.b' does not match"),
    "an account of letters": (
        ATTEMPTS,
        lambda p: p.update(AwsAccountId="12345678901x"),
        "does not match [0-9]{12}",
    ),
    "a topic's long description": (
        "topics/catalog",
        lambda p: first(p, "DataSets")[0].update(DatasetDescription="x" * 257),
        "257 characters where at most 256",
    ),
    "two folders": (
        ATTEMPTS,
        lambda p: p["FolderArns"].append(p["FolderArns"][0]),
        "2 entries where at most 1",
    ),
    "a unique key of two columns": (
        "data-sets/students",
        lambda p: first(p, "UniqueKeys")[0]["ColumnNames"].append("Name"),
        "2 entries where at most 1",
    ),
    "an element wider than the grid": (
        WEEK,
        lambda p: first(p, "Elements")[0].update(ColumnSpan=37),
        "37 where at most 36",
    ),
}

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


def told(resources, case):
    label, spoil, expected = case
    faults = [str(fault) for fault in check(spoiled(resources, label, spoil))]
    assert any(expected in fault for fault in faults), faults
    return faults


@pytest.mark.parametrize("name", MODEL)
def test_what_the_model_says_is_checked(resources, name):
    faults = told(resources, MODEL[name])
    assert any(fault.startswith(MODEL[name][0]) and MODEL[name][2] in fault for fault in faults)


@pytest.mark.parametrize("name", MEANING)
def test_what_no_model_says_is_checked(resources, name):
    told(resources, MEANING[name])


@pytest.mark.parametrize("name", RULES)
def test_rules_about_rows_are_checked(with_rules, name):
    told(with_rules, RULES[name])


@pytest.mark.parametrize("name", PREPARED)
def test_the_new_data_preparation_is_checked(prepared, name):
    told(prepared, PREPARED[name])


def test_a_list_of_organizations_beside_rules_is_a_fault(resources, with_rules):
    """A data set of way (a) among those of way (b)."""
    (attempts,) = (one for one in resources if one.label == ATTEMPTS)
    mixed = [attempts if one.label == ATTEMPTS else one for one in with_rules]
    assert any("about which there can be no rules" in str(fault) for fault in check(mixed))


def test_botocore_itself_lets_these_pass(resources):
    """Why the checks are there: its validator sees none of the first three."""
    from botocore.validate import ParamValidator

    shape = service_model().operation_model("CreateDataSet").input_shape
    for name in ("an enum", "a type that botocore takes", "an underscore in a table's key"):
        label, spoil, _ = MODEL[name]
        (one,) = (one for one in spoiled(resources, label, spoil) if one.label == label)
        assert not ParamValidator().validate(one.parameters, shape).has_errors()
        assert model_faults("CreateDataSet", one.parameters)


def test_the_unions_are_structures_of_the_model():
    names = set(service_model().shape_names)
    assert names >= UNIONS
