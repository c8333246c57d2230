"""SQL and dbt's metrics as QuickSight's calculated fields: what is said, and what is refused by name."""

import pytest

from timeback_analytics.quicksight.expressions import CannotBeSaidError, calculated_field
from timeback_analytics.quicksight.metrics import read_metrics
from timeback_analytics.quicksight.relations import Column, Join, Relation

FIELDS = {"id": "ID", "is_correct": "Is correct", "duration_sec": "Duration (seconds)", "kind": "Kind"}
BOOLEANS = frozenset({"is_correct"})


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("sum(duration_sec) / 60.0", "sum({Duration (seconds)}) / 60.0"),
        ("count(*)", "count({ID})"),
        ("count(1)", "count({ID})"),
        ("sum(1)", "count({ID})"),
        ("count(distinct id)", "distinct_count({ID})"),
        ("avg(is_correct::int)", "avg({Is correct})"),
        ("sum(case when is_correct then 1 else 0 end)", "sum(ifelse({Is correct} = 1, 1, 0))"),
        ("count(*) filter (where not is_correct)", "count(ifelse({Is correct} = 0, {ID}, NULL))"),
        (
            "sum(duration_sec) filter (where kind is not null)",
            "sum(ifelse(isNotNull({Kind}), {Duration (seconds)}, NULL))",
        ),
        ("count(id) filter (where kind is null)", "count(ifelse(isNull({Kind}), {ID}, NULL))"),
        (
            "count(case when kind in ('a', 'it''s') then id end)",
            "count(ifelse(in({Kind}, ['a', 'it\\'s']), {ID}, NULL))",
        ),
        ("count(*) filter (where kind not in ('a'))", "count(ifelse(NOT (in({Kind}, ['a'])), {ID}, NULL))"),
        ("sum(id) / nullif(count(kind), 0)", "sum({ID}) / nullIf(count({Kind}), 0)"),
        (
            "percentile_cont(0.9) within group (order by duration_sec)",
            "percentileCont({Duration (seconds)}, 90)",
        ),
        ("median(duration_sec::numeric)", "median({Duration (seconds)})"),
        ("round(avg(duration_sec), 1)", "round(avg({Duration (seconds)}), 1)"),
        (
            "count(*) filter (where duration_sec between 1 and 5 or (kind = 'x' and is_correct))",
            "count(ifelse(({Duration (seconds)} >= 1 AND {Duration (seconds)} <= 5) OR "
            "({Kind} = 'x' AND {Is correct} = 1), {ID}, NULL))",
        ),
    ],
)
def test_what_can_be_said(sql, said):
    assert calculated_field(sql, FIELDS, BOOLEANS, row_field="ID") == said


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("sum(durations)", "there is no column durations"),
        ("sum(attempts.id)", "there is no column attempts.id"),
        ("upper(kind)", "nothing is known for `UPPER(kind)`"),
        ("sum(duration_sec::int)", "a cast to INT has no counterpart"),
        ("max(kind::date)", "a cast to DATE has no counterpart"),
        ("count(distinct (id, kind))", "nothing is known"),
        ("count(*) filter (where is_correct is not true)", "IS stands for null, true or false alone"),
        ("array_agg(id)", "nothing is known"),
        ("sum(duration_sec", "is not an SQL expression"),
        ("sum(case kind when 'a' then 1 end)", "CASE needs a condition"),
        ("(select max(id) from students)", "nothing is known"),
        (" + ".join(["sum(duration_sec)"] * 200), "longer than the 4096 characters"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_words(sql, reason):
    with pytest.raises(CannotBeSaidError) as refused:
        calculated_field(sql, FIELDS, BOOLEANS, row_field="ID")
    assert reason in str(refused.value)


def test_a_count_of_rows_needs_a_field_that_is_never_null():
    with pytest.raises(CannotBeSaidError, match="never null"):
        calculated_field("count(*)", FIELDS, BOOLEANS)


# -- metrics --------------------------------------------------------------------------------------


def _column(name, bi_type="text"):
    return Column(name, FIELDS[name], bi_type, False, "", False, "COUNT", (), "Ids")


def _relation(name):
    columns = (
        _column("id"),
        _column("is_correct", "boolean"),
        _column("duration_sec", "double precision"),
        _column("kind"),
    )
    return Relation(
        name,
        name,
        "activity",
        "",
        "",
        False,
        (),
        ("id",),
        columns,
        (Join(name, "id", "x", "id", False),),
        "",
        False,
        False,
    )


RELATIONS = {"attempts": _relation("attempts"), "sessions": _relation("sessions")}


def _model(name, measures):
    return {
        "name": name,
        "node_relation": {"alias": name},
        "entities": [{"name": name[:-1], "type": "primary", "expr": "id"}],
        "dimensions": [{"name": "kind", "expr": None}, {"name": "long", "expr": "duration_sec > 60"}],
        "measures": [
            {"expr": None, "agg_params": None, "non_additive_dimension": None, **one} for one in measures
        ],
    }


MODELS = [
    _model(
        "attempts",
        [
            {"name": "answers", "agg": "count", "expr": "is_correct"},
            {"name": "right_answers", "agg": "sum_boolean", "expr": "is_correct"},
            {"name": "duration_sec", "agg": "sum"},
            {"name": "slow", "agg": "percentile", "expr": "duration_sec", "agg_params": {"percentile": 0.95}},
            {
                "name": "at_the_end",
                "agg": "sum",
                "expr": "duration_sec",
                "non_additive_dimension": {"name": "kind"},
            },
            {"name": "shouted", "agg": "max", "expr": "upper(kind)"},
        ],
    ),
    _model("sessions", [{"name": "sessions", "agg": "count_distinct", "expr": "id"}]),
    _model("stg_secret", [{"name": "hidden", "agg": "count", "expr": "id"}]),
]


def _simple(name, measure, where=None, **more):
    filters = {"where_filters": [{"where_sql_template": one} for one in where]} if where else None
    return {
        "name": name,
        "type": "simple",
        "filter": filters,
        "type_params": {"measure": {"name": measure, **more}},
    }


def _ratio(name, numerator, denominator):
    params = {"numerator": {"name": numerator}, "denominator": {"name": denominator}}
    return {"name": name, "type": "ratio", "type_params": params}


def said(*metrics):
    found, refused = read_metrics({"semantic_models": MODELS, "metrics": list(metrics)}, RELATIONS)
    return {name: one.expression for name, one in found.items()}, {one.name: one.reason for one in refused}


def test_simple_metrics_and_ratios():
    found, refused = said(
        _simple("answers", "answers"),
        _simple("right_answers", "right_answers"),
        _ratio("accuracy", "right_answers", "answers"),
        _simple("time", "duration_sec"),
        _simple("slow", "slow"),
        _simple(
            "long_time",
            "duration_sec",
            ["{{ Dimension('attempt__long') }}", "{{Dimension( \"attempt__kind\" )}} = 'x'"],
        ),
    )
    assert refused == {}
    assert found == {
        "accuracy": "(sum(ifelse({Is correct} = 1, 1, 0))) / nullIf((count({Is correct})), 0)",
        "answers": "count({Is correct})",
        "long_time": "sum(ifelse((({Duration (seconds)} > 60)) AND (({Kind}) = 'x'), "
        "{Duration (seconds)}, NULL))",
        "right_answers": "sum(ifelse({Is correct} = 1, 1, 0))",
        "slow": "percentileCont({Duration (seconds)}, 95)",
        "time": "sum({Duration (seconds)})",
    }


def test_a_metric_that_says_itself_what_it_aggregates():
    params = {
        "measure": None,
        "metric_aggregation_params": {"semantic_model": "sessions", "agg": "count_distinct"},
        "expr": "id",
    }
    assert said({"name": "sessions", "type": "simple", "type_params": params}) == (
        {"sessions": "distinct_count({ID})"},
        {},
    )


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ([{"name": "m", "type": "derived", "type_params": {}}], "of the kind derived"),
        ([{"name": "m", "type": "cumulative", "type_params": {}}], "of the kind cumulative"),
        ([{"name": "m", "type": "conversion", "type_params": {}}], "of the kind conversion"),
        (
            [_simple("a", "answers"), _simple("s", "sessions"), _ratio("m", "a", "s")],
            "two datasets, attempts and sessions",
        ),
        ([_ratio("m", "gone", "gone")], "there is no metric gone"),
        ([_simple("m", "gone")], "there is no measure gone"),
        ([_simple("m", "hidden")], "stg_secret is not a published dataset"),
        ([_simple("m", "at_the_end")], "does not add up over time"),
        ([_simple("m", "shouted")], "nothing is known for `UPPER(kind)`"),
        ([_simple("m", "answers", ["{{ Dimension('student__name') }} = 'x'"])], "not in its own dataset"),
        (
            [_simple("m", "answers", ["{{ TimeDimension('attempt__day', 'day') }} > '2026-01-01'"])],
            "takes more than dimensions",
        ),
        ([_simple("m", "answers", join_to_timespine=True)], "joined to a time spine"),
    ],
)
def test_other_metrics_are_refused_by_name(metrics, reason):
    found, refused = said(*metrics)
    assert "m" not in found
    assert reason in refused["m"]
