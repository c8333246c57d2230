"""What docs/clients.md says of pandas and SQLAlchemy, under both psycopgs, asking for one school."""

import datetime as dt
import uuid
import warnings

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa

SCHOOL = "421b7ed0-cff3-4890-9c4e-605d8c465e42"


@pytest.fixture(params=["psycopg", "psycopg2"])
def engine(request, embedded_server, demo_database):
    with psycopg.connect(embedded_server.dsn(demo_database)) as conn:
        user = conn.info.user
    made = sa.create_engine(
        f"postgresql+{request.param}://{user}@/{demo_database}",
        connect_args={
            "host": str(embedded_server.socket_dir),
            "port": 5432,
            "options": f"-c app.allowed_org_ids={SCHOOL}",
        },
    )
    yield made
    made.dispose()


def test_pandas_reads_rows_of_the_school_with_their_types(engine):
    rows = pd.read_sql("select * from analytics.attempts where session_id is not null", engine)
    assert len(rows) > 100
    assert {type(one) for one in rows["student_id"]} == {uuid.UUID}
    assert {str(one) for ids in rows["org_ids"] for one in ids} == {SCHOOL}
    assert {type(one) for one in rows["date"]} == {dt.date}
    assert str(rows["start_time"].dtype).endswith("UTC]")
    assert rows["duration_sec"].dtype == "float64"


def test_a_text_finds_a_student(engine):
    students = pd.read_sql(
        "select student_id, count(*) as attempts from analytics.attempts group by 1", engine
    )
    first = students.iloc[0]
    query = sa.text("select count(*) as attempts from analytics.attempts where student_id = :student")
    again = pd.read_sql(query, engine, params={"student": str(first["student_id"])})
    assert again["attempts"][0] == first["attempts"]


def test_reflection_knows_every_view_and_column(engine):
    inspector = sa.inspect(engine)
    views = inspector.get_view_names(schema="analytics")
    assert len(views) == 56
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        types = {view: inspector.get_columns(view, schema="analytics") for view in views}
    assert all(types.values())
    students = {column["name"]: str(column["type"]) for column in types["students"]}
    assert students["id"] == "UUID" and students["org_ids"] == "ARRAY"
