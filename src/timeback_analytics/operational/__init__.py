"""The operational tables: made for the demo, the tests and the benchmark, never in a schema of others."""

import re
from importlib import resources

import psycopg
from psycopg import sql

from timeback_analytics.errors import TimebackError

_MARK = "Operational tables made by TimeBack analytics; `timeback` may fill and drop them."


def create_operational_schema(conn: psycopg.Connection, schema: str) -> None:
    """Make the schema with the 36 operational tables, empty, in one transaction.

    Email columns are citext where the database has that type, else text.
    A schema that this function made earlier is left as it is, rows included.

    Raises:
        TimebackError: a schema of that name exists and was not made here.
    """
    with conn.transaction():
        exists = conn.execute("select to_regnamespace(%s) is not null", [_quoted(schema)]).fetchone()[0]
        if exists:
            if is_own_schema(conn, schema):
                return
            raise TimebackError(
                f"Schema {schema} of database {conn.info.dbname} exists and was not made by TimeBack "
                "analytics, so nothing is written to it. Name another schema, or drop it if nobody needs it."
            )
        name = sql.Identifier(schema)
        previous_path = conn.execute("show search_path").fetchone()[0]
        conn.execute(sql.SQL("create schema {}").format(name))
        conn.execute(sql.SQL("comment on schema {} is {}").format(name, sql.Literal(_MARK)))
        conn.execute(sql.SQL("set local search_path = {}").format(name))
        citext = conn.execute("select oid::regtype::text from pg_type where typname = 'citext'").fetchone()
        conn.execute(_ddl().replace("{citext}", citext[0] if citext else "text"))
        conn.execute("select set_config('search_path', %s, true)", [previous_path])


def is_own_schema(conn: psycopg.Connection, schema: str) -> bool:
    """Whether create_operational_schema made the schema; false where there is none."""
    row = conn.execute(
        "select obj_description(to_regnamespace(%s), 'pg_namespace')", [_quoted(schema)]
    ).fetchone()
    return row[0] == _MARK


def table_names() -> tuple[str, ...]:
    """The 36 operational tables, in the order in which schema.sql makes them."""
    return tuple(re.findall(r"^create table (\w+)", _ddl(), flags=re.MULTILINE))


def _ddl() -> str:
    return resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")


def _quoted(schema: str) -> str:
    return sql.Identifier(schema).as_string(None)
