"""What docs/clients.md says of pandas, SQLAlchemy, JDBC, ODBC, DuckDB and R, asking for one school."""

import datetime as dt
import shutil
import subprocess
import uuid
import warnings
from pathlib import Path
from urllib.parse import quote

import duckdb
import duckdb_extension_postgres_scanner
import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa

from timeback_analytics.catalog.manifest import published_models

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


SCHOOL_OPTION = f"-c app.allowed_org_ids={SCHOOL}"
# as pandas sees it above, by every other way
COUNTS = "select count(*), count(distinct student_id), min(date) from analytics.attempts"
JDBC_JARS = sorted(Path("/usr/share/java").glob("postgresql.jar"))
JDBC_PROGRAM = """
import java.sql.*;

public class Ask {
    public static void main(String[] given) throws Exception {
        try (Connection conn = DriverManager.getConnection(given[0]);
                PreparedStatement counts = conn.prepareStatement(given[1]);
                ResultSet row = counts.executeQuery()) {
            row.next();
            System.out.println(row.getLong(1) + "|" + row.getLong(2) + "|" + row.getDate(3));
        }
        try (Connection conn = DriverManager.getConnection(given[0]);
                PreparedStatement one = conn.prepareStatement(
                    "select count(*) from " + given[2] + ".attempts where student_id = ?")) {
            one.setString(1, given[3]);
            try (ResultSet row = one.executeQuery()) {
                row.next();
                System.out.println(row.getLong(1));
            } catch (SQLException error) {
                System.out.println(error.getMessage().split("\\n")[0]);
            }
        }
    }
}
"""


@pytest.fixture
def school(embedded_server, demo_database):
    """What a school sees: the answer to COUNTS, a student and how many attempts that student has."""
    with psycopg.connect(embedded_server.dsn(demo_database)) as conn:
        conn.execute("select set_config('app.allowed_org_ids', %s, false)", [SCHOOL])
        counts = conn.execute(COUNTS).fetchone()
        student = conn.execute(
            "select student_id::text, count(*) from analytics.attempts group by 1 order by 2 desc limit 1"
        ).fetchone()
    assert counts[0] > 100
    return "|".join(map(str, counts)), *student


@pytest.mark.skipif(not (shutil.which("java") and JDBC_JARS), reason="no Java with libpostgresql-jdbc-java")
def test_jdbc_asks_with_the_scope_in_its_url(demo_database, tcp_port, school, tmp_path):
    """A text is compared with an id in analytics_bi; in analytics it takes stringtype=unspecified."""
    counts, student, attempts = school
    program = tmp_path / "Ask.java"
    program.write_text(JDBC_PROGRAM)
    url = (
        f"jdbc:postgresql://127.0.0.1:{tcp_port}/{demo_database}?user=postgres&sslmode=disable"
        f"&options={quote(SCHOOL_OPTION)}"
    )

    def ask(url: str, schema: str) -> list[str]:
        return subprocess.run(
            ["java", "-cp", str(JDBC_JARS[0]), program, url, COUNTS, schema, student],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()

    assert ask(url, "analytics_bi") == [counts, str(attempts)]
    assert ask(f"{url}&stringtype=unspecified", "analytics") == [counts, str(attempts)]
    assert ask(url, "analytics")[1] == "ERROR: operator does not exist: uuid = character varying"


@pytest.mark.skipif(not shutil.which("isql"), reason="no unixodbc with odbc-postgresql")
def test_odbc_asks_with_the_scope_in_its_settings(demo_database, tcp_port, school):
    """ConnSettings is what the driver sends first on each connection."""
    counts, student, attempts = school
    connection = (
        f"DRIVER={{PostgreSQL Unicode}};Servername=127.0.0.1;Port={tcp_port};Database={demo_database};"
        f"Uid=postgres;SSLmode=disable;ConnSettings=set app.allowed_org_ids = '{SCHOOL}'"
    )
    asked = f"{COUNTS};\nselect count(*) from analytics_bi.attempts where student_id = '{student}';\n"
    said = subprocess.run(
        ["isql", "-k", connection, "-b", "-x0x7c"], input=asked, capture_output=True, text=True, check=False
    )
    assert said.stdout.split() == [counts, str(attempts)], said.stdout + said.stderr


def test_duckdb_reads_every_dataset(embedded_server, demo_database, manifest, school):
    """By its own extension, attached read-only; filters stay in DuckDB unless the server can take them."""
    counts, student, attempts = school
    (extension,) = Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension")
    with duckdb.connect() as conn:
        conn.execute(f"load '{extension}'")
        conn.execute("set timezone = 'UTC'")
        there = (
            f"host={embedded_server.socket_dir} port=5432 dbname={demo_database} user=postgres "
            f"options=''{SCHOOL_OPTION}''"
        )
        conn.execute(f"attach '{there}' as timeback (type postgres, read_only)")
        counted = conn.execute(COUNTS.replace("analytics.", "timeback.analytics.")).fetchone()
        assert "|".join(map(str, counted)) == counts
        for schema in ("analytics", "analytics_bi"):
            for model in published_models(manifest):
                # every column of every row, though in DuckDB's own memory
                conn.execute(f"create or replace table copied as from timeback.{schema}.{model['name']}")
            one = f"select count(*) from timeback.{schema}.attempts where student_id = '{student}'"
            assert conn.execute(one).fetchone() == (attempts,)


R_PROGRAM = """
library(RPostgreSQL)
given <- commandArgs(trailingOnly = TRUE)
conn <- dbConnect(PostgreSQL(), dbname = given[1])
cat(unlist(dbGetQuery(conn, given[2])), sep = "|")
for (view in strsplit(given[3], ",")[[1]]) dbGetQuery(conn, paste0("select * from ", view))
"""


@pytest.mark.skipif(
    not (shutil.which("Rscript") and list(Path("/usr/lib/R").glob("*/RPostgreSQL"))),
    reason="no R with r-cran-rpostgresql",
)
def test_r_reads_every_dataset(embedded_server, demo_database, manifest, school, tmp_path):
    counts, _, _ = school
    program = tmp_path / "read.R"
    program.write_text(R_PROGRAM)
    there = (
        f"host={embedded_server.socket_dir} port=5432 dbname={demo_database} user=postgres "
        f"options='{SCHOOL_OPTION}'"
    )
    views = [
        f"{schema}.{model['name']}"
        for schema in ("analytics", "analytics_bi")
        for model in published_models(manifest)
    ]
    said = subprocess.run(
        [
            "Rscript",
            "--vanilla",
            program,
            there,
            COUNTS.replace("min(date)", "min(date)::text"),
            ",".join(views),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout == counts, said.stderr
    # analytics_bi has no type that R's driver does not know
    assert "analytics_bi" not in said.stderr
