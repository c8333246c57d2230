"""The operational tables: made for the demo, the tests and the benchmark, never in a schema of others."""

import re
from importlib import resources

import psycopg
from psycopg import sql

from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row

_MARK = "Operational tables made by TimeBack analytics; `timeback` may fill and drop them."


def create_operational_schema(conn: psycopg.Connection, schema: str) -> None:
    """Make the schema with the 37 operational tables, empty, in one transaction.

    Email columns are citext where the database has that type, else text.
    A schema that this function made earlier is left as it is, rows included; tables that a later version
    of the project has beside those are added to it.

    Raises:
        TimebackError: a schema of that name exists and was not made here.
    """
    with conn.transaction():
        (exists,) = first_row(conn.execute("select to_regnamespace(%s) is not null", [_quoted(schema)]))
        if exists and not is_own_schema(conn, schema):
            raise TimebackError(
                f"Schema {schema} of database {conn.info.dbname} exists and was not made by TimeBack "
                "analytics, so nothing is written to it. Name another schema, or drop it if nobody needs it."
            )
        name = sql.Identifier(schema)
        (previous_path,) = first_row(conn.execute("show search_path"))
        if not exists:
            conn.execute(sql.SQL("create schema {}").format(name))
            conn.execute(sql.SQL("comment on schema {} is {}").format(name, sql.Literal(_MARK)))
        missing = _missing(conn, schema)
        if not missing:
            return
        conn.execute(sql.SQL("set local search_path = {}").format(name))
        citext = conn.execute("select oid::regtype::text from pg_type where typname = 'citext'").fetchone()
        for table in missing:
            statement = _statements()[table]
            conn.execute(statement.replace("text /* or citext */", citext[0]) if citext else statement)
        conn.execute("select set_config('search_path', %s, true)", [previous_path])


def is_own_schema(conn: psycopg.Connection, schema: str) -> bool:
    """Whether create_operational_schema made the schema; false where there is none."""
    (mark,) = first_row(
        conn.execute("select obj_description(to_regnamespace(%s), 'pg_namespace')", [_quoted(schema)])
    )
    return mark == _MARK


def table_names() -> tuple[str, ...]:
    """The 37 operational tables, in the order in which schema.sql makes them."""
    return tuple(_statements())


def _missing(conn: psycopg.Connection, schema: str) -> list[str]:
    """The tables that the schema lacks, in the order in which schema.sql makes them."""
    there = {
        table
        for (table,) in conn.execute(
            "select relname from pg_class where relnamespace = to_regnamespace(%s)", [_quoted(schema)]
        )
    }
    return [table for table in table_names() if table not in there]


def _statements() -> dict[str, str]:
    """Table -> what makes it, indexes included."""
    _, *parts = re.split(r"^(?=create table )", _ddl(), flags=re.MULTILINE)
    return {part.split()[2]: part for part in parts}


def _ddl() -> str:
    return resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")


def _quoted(schema: str) -> str:
    return sql.Identifier(schema).as_string(None)
