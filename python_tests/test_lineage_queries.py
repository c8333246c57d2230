"""The lineage of columns on small queries, one for each way in which SQL can pass a column on."""

from typing import Any

import pytest

from timeback_analytics.catalog.manifest import read_manifest
from timeback_analytics.errors import TimebackError
from timeback_analytics.lineage import published_lineage

SOURCES = {
    "pupil": ["id", "name", "nickname", "class_id", "score"],
    "room": ["id", "title", "rank", "is_open"],
    "visit": ["pupil_id", "room_id", "made_at", "tags"],
}


def small_manifest(**models: str) -> dict[str, Any]:
    """A manifest with the sources above in schema `op` and these models in `pub`; the last is published."""
    last = list(models)[-1]
    return {
        "nodes": {
            f"model.p.{name}": {
                "unique_id": f"model.p.{name}",
                "name": name,
                "alias": name,
                "schema": "pub",
                "resource_type": "model",
                "fqn": ["p", "datasets" if name == last else "intermediate", name],
                "compiled_code": sql,
            }
            for name, sql in models.items()
        },
        "sources": {
            f"source.p.op.{name}": {
                "name": name,
                "identifier": name,
                "schema": "op",
                "resource_type": "source",
                "columns": {column: {} for column in columns},
            }
            for name, columns in SOURCES.items()
        },
    }


def lineage_of(**models: str) -> dict[str, list[str]]:
    """column -> its lineage, of the last of these models."""
    return published_lineage(small_manifest(**models))[list(models)[-1]]


@pytest.mark.parametrize(
    ("query", "lineage"),
    {
        "a name of its own": ("select id as pupil_id from db.op.pupil", ["pupil.id"]),
        "an expression": (
            "select trim(name) || nickname as n from db.op.pupil",
            ["pupil.name", "pupil.nickname"],
        ),
        "nothing": ("select 'x' as n from db.op.pupil", []),
        "case: the conditions too": (
            "select case when score > 1 then name end as n from db.op.pupil",
            ["pupil.name", "pupil.score"],
        ),
        "a filter is not in it": ("select name as n from db.op.pupil where score > 1", ["pupil.name"]),
        "an outer join is not in it": (
            "select p.name as n from db.op.pupil as p left join db.op.room as r on p.class_id = r.id",
            ["pupil.name"],
        ),
        "an inner join equates": (
            "select p.class_id as n from db.op.pupil as p"
            " inner join db.op.room as r on p.class_id = r.id and r.is_open",
            ["pupil.class_id", "room.id"],
        ),
        "so does where": (
            "select p.class_id as n from db.op.pupil as p, db.op.room as r where r.id = p.class_id",
            ["pupil.class_id", "room.id"],
        ),
        "and it goes on": (
            "select v.pupil_id as n from db.op.visit as v join db.op.pupil as p on v.pupil_id = p.id"
            " join db.op.room as r on p.id = r.rank",
            ["pupil.id", "room.rank", "visit.pupil_id"],
        ),
        "but not across a full join": (
            "select p.class_id as n from db.op.pupil as p join db.op.room as r on p.class_id = r.id"
            " full join db.op.visit as v on v.pupil_id = p.id",
            ["pupil.class_id"],
        ),
        "an anti join is not in it": (
            "select name as n from db.op.pupil as p"
            " where not exists (select from db.op.visit as v where v.pupil_id = p.id)",
            ["pupil.name"],
        ),
        "exists as a value: all that it reads": (
            "select exists (select from db.op.visit as v where v.pupil_id = p.id) as n from db.op.pupil as p",
            ["pupil.id", "visit.pupil_id"],
        ),
        "a scalar subquery: its order too": (
            "select (select v.room_id from db.op.visit as v where v.pupil_id = p.id"
            " order by v.made_at limit 1) as n from db.op.pupil as p",
            ["pupil.id", "visit.made_at", "visit.pupil_id", "visit.room_id"],
        ),
        "array of a subquery": (
            "select array(select distinct tags from db.op.visit where pupil_id = p.id) as n"
            " from db.op.pupil as p",
            ["pupil.id", "visit.pupil_id", "visit.tags"],
        ),
        "a subquery in a subquery": (
            "select (select r.title from db.op.room as r"
            "  where exists (select from db.op.visit as v where v.room_id = r.id and v.pupil_id = p.id)) as n"
            " from db.op.pupil as p",
            ["pupil.id", "room.id", "room.title", "visit.pupil_id", "visit.room_id"],
        ),
        "lateral": (
            "select x.n from db.op.pupil as p cross join lateral"
            " (select v.made_at as n, v.tags from db.op.visit as v where v.pupil_id = p.id) as x",
            ["visit.made_at"],
        ),
        "lateral over a union, by place": (
            "select x.n from db.op.pupil as p cross join lateral"
            " (select v.tags, v.made_at as n from db.op.visit as v"
            " union all select null, null where false) as x",
            ["visit.made_at"],
        ),
        "lateral values, by place": (
            "select x.b as n from db.op.pupil as p cross join lateral"
            " (values (p.id, p.name), (p.score, p.nickname)) as x (a, b)",
            ["pupil.name", "pupil.nickname"],
        ),
        "unnest": (
            "select x.tag as n from db.op.visit as v cross join lateral unnest(v.tags) as x (tag)",
            ["visit.tags"],
        ),
        "union all, by place": (
            "select id, name as n from db.op.pupil union all select rank, title from db.op.room",
            ["pupil.name", "room.title"],
        ),
        "except": (
            "select name as n from db.op.pupil except select title from db.op.room",
            ["pupil.name", "room.title"],
        ),
        "a window": (
            "select max(score) over (partition by class_id order by name) as n from db.op.pupil",
            ["pupil.class_id", "pupil.name", "pupil.score"],
        ),
        "an aggregate with filter and order": (
            "select array_agg(name order by nickname) filter (where score > 1) as n"
            " from db.op.pupil group by class_id",
            ["pupil.name", "pupil.nickname", "pupil.score"],
        ),
        "count(*): what tells rows apart": (
            "with pair as (select distinct pupil_id, room_id from db.op.visit)"
            " select count(*) as n from pair where room_id > 1 group by pupil_id",
            ["visit.pupil_id", "visit.room_id"],
        ),
        "count(*) with a filter: the filter": (
            "select count(*) filter (where score > 1) as n from db.op.pupil",
            ["pupil.score"],
        ),
        "distinct on: what chooses": (
            "select distinct on (class_id) name as n from db.op.pupil order by class_id, score desc",
            ["pupil.class_id", "pupil.name", "pupil.score"],
        ),
        "order alone chooses nothing": ("select name as n from db.op.pupil order by score", ["pupil.name"]),
        "a CTE that has a table's name": (
            "with pupil as (select title as name from db.op.room) select name as n from pupil",
            ["room.title"],
        ),
        "a CTE that names its columns": (
            "with x (a, n) as (select id, name from db.op.pupil) select n from x",
            ["pupil.name"],
        ),
        "a derived table": ("select n from (select title as n from db.op.room) as x", ["room.title"]),
        "a column that only one table has": (
            "select title as n from db.op.pupil, db.op.room where is_open",
            ["room.title"],
        ),
    }.values(),
    ids=lambda value: None if isinstance(value, list) else value[:40],
)
def test_lineage_of_one_column(query, lineage):
    assert lineage_of(dataset=query)[(list(lineage_of(dataset=query)))[-1]] == lineage


def test_lineage_goes_through_models():
    assert lineage_of(
        base="select id, name as label, score from db.op.pupil",
        middle="select b.label as n,"
        " (select max(v.made_at) from db.op.visit as v where v.pupil_id = b.id) as m from db.pub.base as b",
        top="select middle.n, middle.m from db.pub.middle as middle",
    ) == {"n": ["pupil.name"], "m": ["pupil.id", "visit.made_at", "visit.pupil_id"]}


def test_lineage_opens_a_star():
    assert lineage_of(base="select id, name from db.op.pupil", top="select * from db.pub.base") == {
        "id": ["pupil.id"],
        "name": ["pupil.name"],
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select x.n from db.elsewhere.thing as x", "elsewhere.thing is neither a model nor a source"),
        ("select n from", "SQL of model dataset is not understood"),
        ("drop table x", "SQL of model dataset is not a query"),
        (None, "Model dataset is not compiled.*dbt compile"),
    ],
)
def test_what_cannot_be_followed_is_named(query, message):
    with pytest.raises(TimebackError, match=message):
        lineage_of(dataset=query)


def test_a_manifest_that_is_not_there_is_asked_for(tmp_path):
    with pytest.raises(TimebackError, match="dbt compile"):
        read_manifest(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(TimebackError, match="not JSON"):
        read_manifest(tmp_path / "manifest.json")
