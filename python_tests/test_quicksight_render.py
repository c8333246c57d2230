"""What is rendered for QuickSight: every dataset whole, with golden files for people to review."""

import dataclasses
import json
import re

import pytest

from quicksight_kit import GOLDEN, REVIEWED, SETTINGS, description, within
from timeback_analytics.catalog.manifest import published_models
from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.check import check, texts_within
from timeback_analytics.quicksight.names import cut, table_key, title
from timeback_analytics.quicksight.outputs import output_fields
from timeback_analytics.quicksight.render import describe, render
from timeback_analytics.quicksight.resources import read, to_json, write

__all__ = ["description"]
VARIANTS = {
    "legacy": {},
    "direct": {"import_mode": "DIRECT_QUERY"},
    "new": {"preparation": "new"},
    "rules": {"row_rules": True},
    "new rules": {"row_rules": True, "preparation": "new"},
}


@pytest.fixture(scope="session", params=VARIANTS)
def rendered(request, description):
    settings = dataclasses.replace(SETTINGS, **VARIANTS[request.param])
    return request.param, render(description, settings)


def data_sets(resources):
    return {one.name: one.parameters for one in resources if one.kind.name == "data-sets"}


def test_every_dataset_with_every_column_in_every_variant(rendered, manifest):
    name, resources = rendered
    sets = data_sets(resources)
    models = published_models(manifest)
    assert len(models) == 56
    for model in models:
        given = sets[table_key(model["name"])]
        (table,) = given["PhysicalTableMap"].values()
        (inner,) = table.values()
        read_columns = [column["Name"] for column in inner.get("InputColumns") or inner["Columns"]]
        columns = list(model["columns"])
        expected = columns
        if "RelationalTable" in table:
            assert (inner["Schema"], inner["Name"]) == ("analytics_bi", model["name"])
        else:
            assert "rules" in name
            expected = [column for column in columns if column != "org_ids"] + ["org_id"]
        assert read_columns == expected
        assert len(output_fields(given)) == len(expected)
        assert inner["DataSourceArn"].endswith(":datasource/timeback-postgres")


def test_nothing_rendered_has_a_fault(rendered):
    assert check(rendered[1]) == []


def test_types_are_those_of_the_views_for_bi_tools(description, manifest):
    """By a table of this test's own, from the published types."""
    types = {
        "text": "STRING",
        "uuid": "STRING",
        "citext": "STRING",
        "jsonb": "STRING",
        "uuid[]": "STRING",
        "text[]": "STRING",
        "integer": "INTEGER",
        "bigint": "INTEGER",
        "boolean": "INTEGER",
        "numeric": "DECIMAL",
        "date": "DATETIME",
        "timestamptz": "DATETIME",
    }
    sets = data_sets(render(description, SETTINGS))
    for model in published_models(manifest):
        fields = output_fields(sets[table_key(model["name"])])
        assert fields == {title(one["name"]): types[one["data_type"]] for one in model["columns"].values()}


def test_every_column_is_described_in_words_that_fit(rendered, manifest):
    _, resources = rendered
    sets = data_sets(resources)
    for model in published_models(manifest):
        given = sets[table_key(model["name"])]
        texts = {
            re.sub(r"\s", "", text)
            for member in ("ColumnDescription", "Description")
            for one in within(given, member)
            for text in [one["Text"]]
        }
        for column in model["columns"].values():
            if column["name"] == "org_ids":
                continue
            start = re.sub(r"[\s`]", "", column["description"])[:60]
            assert any(text.startswith(start) for text in texts), (model["name"], column["name"])
        assert all(len(one["Text"]) <= 500 for one in within(given, "ColumnDescription"))


def test_no_credential_is_rendered_and_tls_is_on(rendered):
    _, resources = rendered
    (source,) = (one.parameters for one in resources if one.kind.name == "data-sources")
    assert source["Credentials"] == {"SecretArn": SETTINGS.secret_arn}
    assert source["SslProperties"] == {"DisableSsl": False}
    assert source["VpcConnectionProperties"] == {"VpcConnectionArn": SETTINGS.vpc_connection_arn}
    assert not list(within([one.parameters for one in resources], "Password"))


def test_rules_about_rows_are_on_every_data_set_with_organizations(rendered, manifest):
    name, resources = rendered
    sets = data_sets(resources)
    scoped = {
        table_key(model["name"])
        for model in published_models(manifest)
        if "org_ids" in model["columns"] or model["config"]["meta"].get("scope_when")
    }
    assert len(scoped) == 30
    with_rules = {key for key, given in sets.items() if list(within(given, "RowLevelPermissionDataSet"))}
    own = {key for key in sets if "-" in key and key.endswith(("-named", "-by-date"))}
    if "rules" not in name:
        assert with_rules == set()
        return
    assert with_rules - own == scoped
    assert own <= with_rules
    assert sets["row-rules"]["UseAs"] == "RLS_RULES"
    for key in with_rules:
        assert "org_id" in output_fields(sets[key])
        top = "RowLevelPermissionDataSet" in sets[key]
        assert top == ("new" not in name)
    readers = [one["Principal"] for one in sets["row-rules"]["Permissions"]]
    assert readers == list(SETTINGS.authors)


def test_refresh_schedules_follow_the_job_in_spice_alone(rendered):
    name, resources = rendered
    schedules = [one.parameters["Schedule"] for one in resources if one.kind.name == "refresh-schedules"]
    assert len(schedules) == (0 if name == "direct" else len(data_sets(resources)))
    assert {one["ScheduleFrequency"]["TimeOfTheDay"] for one in schedules} <= {"04:00"}


def test_the_topic_has_the_documented_joins(rendered, manifest):
    """Each one of a single id to another, told apart by the published types; lists join nothing in a tool."""
    _, resources = rendered
    (topic,) = (one for one in resources if one.kind.operation == "Topic")
    models = {model["name"]: model for model in published_models(manifest)}
    documented = set()
    for model in models.values():
        for column, targets in model["config"]["meta"].get("joins", {}).items():
            for target in [targets] if isinstance(targets, str) else targets:
                if not model["columns"][column]["data_type"].endswith("[]"):
                    documented.add((model["name"], column, *target.split(".")))
    documented = {one for one in documented if one[0] != "students_enrollments"}
    assert len(documented) > 70
    told = topic.parameters["CustomInstructions"]["CustomInstructionsString"]
    for relation, column, to_relation, to_column in documented:
        assert re.search(
            rf"{title(to_column)} of {title(to_relation)} = [^.]*{title(column)} of [^.;]*{title(relation)}",
            told,
        ), (relation, column)
    if topic.kind.name == "topics-v2":
        sides = {
            (
                *(one["Left"]["DataSetArn"].rpartition("/")[2], *one["Left"]["ColumnNames"]),
                *(one["Right"]["DataSetArn"].rpartition("/")[2], *one["Right"]["ColumnNames"]),
            )
            for one in topic.parameters["Topic"]["DataSetRelations"]
        }
        assert sides == {
            (f"timeback-{table_key(one[0])}", title(one[1]), f"timeback-{table_key(one[2])}", title(one[3]))
            for one in documented
        }
    deprecated = [one for one in texts_within(topic.parameters["Topic"]) if "students-enrollments" in one[1]]
    assert deprecated == []


def test_the_topic_knows_amounts_synonyms_and_booleans(description):
    (topic,) = (one for one in render(description, SETTINGS) if one.kind.name == "topics")
    sets = {one["DatasetName"]: one for one in topic.parameters["Topic"]["DataSets"]}
    attempts = {one["ColumnName"]: one for one in sets["Attempts"]["Columns"]}
    assert attempts["Duration (seconds)"]["Aggregation"] == "SUM"
    assert attempts["Duration (seconds)"]["ColumnDataRole"] == "MEASURE"
    assert attempts["Student ID"]["Aggregation"] == "DISTINCT_COUNT"
    assert attempts["Is correct"]["SemanticType"]["TruthyCellValue"] == "1"
    xp = {one["ColumnName"]: one for one in sets["Students XP"]["Columns"]}
    assert "experience points" in xp["Total value"]["ColumnSynonyms"]
    mastery = {one["ColumnName"]: one for one in sets["Students mastery"]["Columns"]}
    assert mastery["Mastery percentage"]["Aggregation"] == "AVERAGE"
    grades = {one["ColumnName"]: one for one in sets["Grades"]["Columns"]}
    assert grades["Order number"]["NonAdditive"] is True


REFUSED = {
    "breaches_per_proctored_session": "its parts lie in two datasets, proctoring_insights and sessions",
    "days_since_start": "cannot be said in QuickSight: a cast to DATE has no counterpart",
    "mastered_items": "nothing is known for `student_id || ' ' || curriculum_item_id`",
    "waste_share": "a metric of the kind derived spans times, other metrics or datasets",
    "xp_per_active_student": "its parts lie in two datasets, students_xp and sessions",
    "xp_per_minute": "its parts lie in two datasets, students_xp and sessions",
}


def test_the_metrics_of_the_project_become_fields_or_are_refused_by_name(manifest, semantic_manifest):
    made = describe(manifest, semantic_manifest)
    assert {one.name for one in made.refused} == REFUSED.keys()
    for one in made.refused:
        assert REFUSED[one.name] in one.reason
    assert len(made.metrics) + len(REFUSED) == len(semantic_manifest["metrics"])
    resources = render(made, SETTINGS)
    assert check(resources) == []
    (topic,) = (one for one in resources if one.kind.name == "topics")
    fields = {
        one["CalculatedFieldName"]: one
        for group in within(topic.parameters, "CalculatedFields")
        for one in group
    }
    assert len(fields) == len(made.metrics)
    assert fields["Questions answered"] == {
        "CalculatedFieldName": "Questions answered",
        "CalculatedFieldDescription": "First attempts that were marked right or wrong. An attempt whose"
        " newest score lacks a number is neither right nor wrong, and does not count. A second answer to"
        " the same question does not count.",
        "CalculatedFieldSynonyms": ["answers", "responses"],
        "Expression": "count({Is correct})",
        "ColumnDataRole": "MEASURE",
        "IsIncludedInTopic": True,
    }
    share = fields["Share correct"]
    assert share["Expression"] == ("(sum(ifelse({Is correct} = 1, 1, 0))) / nullIf((count({Is correct})), 0)")
    assert "accuracy" in share["CalculatedFieldSynonyms"] and share["NonAdditive"] is True
    assert "Null where nothing was answered." in share["CalculatedFieldDescription"]
    assert "NonAdditive" not in fields["Learning minutes"]
    assert fields["Proctored share"]["Expression"] == (
        "(count(ifelse((({Is proctored} = 1)), {ID}, NULL))) / nullIf((count({ID})), 0)"
    )


def test_every_description_that_is_too_long_for_a_topic_has_a_summary(manifest):
    for model in published_models(manifest):
        summary = model["config"]["meta"].get("summary")
        length = len(re.sub(r"\s+", " ", model["description"].replace("`", "")).strip())
        assert summary or length <= 256, (model["name"], length)
        if summary:
            assert len(summary) <= 256 and "`" not in summary and "\n" not in summary
            assert summary.endswith(".")


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("One. Two. Three.", 16, "One. Two. Three."),
        ("One. Two. Three.", 15, "One. Two."),
        ("One. Two. Three.", 8, "One."),
        ("A first sentence that is too long for it", 20, "A first sentence…"),
        ("In `code`,\n\n  over  lines", 100, "In code, over lines"),
        ("Up to e.g. ten of them. More of that.", 30, "Up to e.g. ten of them."),
    ],
)
def test_texts_are_cut_between_sentences(text, limit, expected):
    assert cut(text, limit) == expected
    assert len(cut(text, limit)) <= limit


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", REVIEWED)
def test_the_golden_files(description, label):
    """After a change that is meant, `timeback quicksight render` with these settings writes them anew."""
    resources = {one.label: one for one in render(description, SETTINGS)}
    path = GOLDEN / f"{label}.json"
    assert path.is_file(), f"there is no {path.relative_to(GOLDEN.parent)}"
    assert to_json(resources[label].parameters) == path.read_text(encoding="utf-8")


def test_what_is_written_is_read_again(description, tmp_path):
    resources = render(description, SETTINGS)
    assert write(resources, tmp_path) == len(resources)
    (tmp_path / "data-sets" / "left-over.json").write_text("{}")
    (tmp_path / "README.md").write_text("somebody's own")
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.json") if path.name != "left-over.json"}
    write(resources, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == first
    assert (tmp_path / "README.md").is_file()
    again = read(tmp_path)
    assert [one.label for one in again] == [one.label for one in resources]
    assert [one.parameters for one in again] == [json.loads(to_json(one.parameters)) for one in resources]
    assert [one.granted for one in again] == [one.granted for one in resources]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an object"),
        ("{}", "does not say AwsAccountId and DataSetId"),
        ('{"AwsAccountId": "1", "DataSetId": 5}', "does not say"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, text, told):
    path = tmp_path / "data-sets" / "attempts.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(TimebackError) as error:
        read(tmp_path)
    assert str(path) in str(error.value) and told in str(error.value)
    with pytest.raises(TimebackError, match="holds no rendered resource"):
        read(tmp_path / "data-sets")
