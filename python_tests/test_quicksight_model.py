"""Each check of a request against AWS's own model, seen to find what it is for; botocore has fewer."""

import pytest

from quicksight_kit import ATTEMPTS, WEEK, description, everything, first, spoiled, told
from timeback_analytics.quicksight.model_check import UNIONS, model_faults, service_model

__all__ = ["description", "everything"]


def rename_key(given, member, old, new):
    given[member][new] = given[member].pop(old)


MODEL = {
    "an enum": (
        ATTEMPTS,
        lambda p: p.update(ImportMode="SPICY"),
        "'SPICY' is not one of SPICE, DIRECT_QUERY",
    ),
    "a type that botocore takes": (
        ATTEMPTS,
        lambda p: first(p, "InputColumns")[0].update(Type="UUID"),
        "'UUID' is not one of STRING",
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
        "'5432' is not of type integer",
    ),
    "true for a number": (
        "data-sources/postgres",
        lambda p: first(p, "PostgreSqlParameters").update(Port=True),
        "True is not of type integer",
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


@pytest.mark.parametrize("name", MODEL)
def test_what_the_model_says_is_checked(everything, name):
    faults = told(everything, MODEL[name])
    assert any(fault.startswith(MODEL[name][0]) and MODEL[name][2] in fault for fault in faults)


def test_botocore_itself_lets_these_pass(everything):
    """Why the checks are there: its validator sees none of the first three."""
    from botocore.validate import ParamValidator

    shape = service_model().operation_model("CreateDataSet").input_shape
    for name in ("an enum", "a type that botocore takes", "an underscore in a table's key"):
        label, spoil, _ = MODEL[name]
        (one,) = (one for one in spoiled(everything, label, spoil) if one.label == label)
        assert not ParamValidator().validate(one.parameters, shape).has_errors()
        assert model_faults("CreateDataSet", one.parameters)


def test_the_unions_are_structures_of_the_model():
    names = set(service_model().shape_names)
    assert names >= UNIONS
