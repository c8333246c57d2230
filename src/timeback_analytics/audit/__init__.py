"""Rules that a deployed catalog must keep for the caller's scope to hold, asked of the live database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from timeback_analytics.artifacts import read_json
from timeback_analytics.audit.common import COMMON
from timeback_analytics.audit.persons import documented_columns
from timeback_analytics.audit.rules import RULES
from timeback_analytics.catalog.names import READER, bi_schema, internal_schema, metrics_schema
from timeback_analytics.catalog.scopes import scopes
from timeback_analytics.connection import SEARCH_PATH
from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row
from timeback_analytics.voiding_rights import query_for

__all__ = ["RULES", "Finding", "find_breaches", "read_manifest"]


@dataclass(frozen=True)
class Finding:
    """A breach: the rule's name, the object that breaks it, and what is wrong with it."""

    rule: str
    object: str
    finding: str


def find_breaches(
    conn: psycopg.Connection, manifest: dict[str, Any], schema: str = "analytics"
) -> list[Finding]:
    """Ask every rule of the catalog in a database.

    Args:
        conn: a connection of the deploying role or a superuser; nothing is written.
        manifest: dbt's manifest of this project.
        schema: the published schema; the internal one is its name with _internal behind it.

    Returns:
        The breaches, by rule; empty where there is none.

    Raises:
        TimebackError: there is no catalog in the schema, or the connection's role may not look.
    """
    values = {
        "published": schema,
        "reader": READER,
        "internal": internal_schema(schema),
        "bi": bi_schema(schema),
        "metrics": metrics_schema(schema),
        "documented": json.dumps(documented_columns(manifest)),
        "as_owner": [
            function
            for scope in scopes().values()
            for function in (
                f"{scope.name}_scope_of",
                *(f"{people}{task}" for people in scope.people for task in ("_in_scope", "_scope_is_wide")),
            )
        ],
    }
    internal = psycopg.sql.Identifier(internal_schema(schema)).as_string(conn)
    _check_deployed(conn, schema, internal)
    found = []
    with conn.transaction():
        # so that names are shown with their schemas, and objects in public cannot interfere
        previous_path = first_row(conn.execute("show search_path"))[0]
        conn.execute("select set_config('search_path', %s, true)", [SEARCH_PATH])
        for rule in RULES:
            rows = (
                conn.execute((COMMON + rule.query).replace("{internal}", internal), values).fetchall()
                if rule.query
                else conn.execute(query_for(schema)).fetchall()
            )
            found += [Finding(rule.name, str(where), str(what)) for where, what in sorted(rows)]
        conn.execute("select set_config('search_path', %s, true)", [previous_path])
    return found


def _check_deployed(conn: psycopg.Connection, schema: str, internal: str) -> None:
    """Stop where there is no catalog, or one of an older version."""
    deployed = conn.execute(
        """select pg_class.oid is not null and has_schema_privilege(pg_namespace.oid, 'usage')
        from pg_catalog.pg_namespace
        left join pg_catalog.pg_class
            on pg_namespace.oid = pg_class.relnamespace and pg_class.relname = 'int_caller_scope'
        where pg_namespace.nspname = %s""",
        [internal_schema(schema)],
    ).fetchone()
    if not deployed or not deployed[0]:
        raise TimebackError(
            f"{conn.info.user} finds no catalog in schemas {schema} and {schema}_internal of database "
            f"{conn.info.dbname}. `dbt run` deploys it; connect as the role that did, and name another "
            "schema with --schema or TIMEBACK_SCHEMA."
        )
    notes = [f"{internal}.{function}()" for function in ("moved_sources", "lost_default_scopes")]
    (is_older,) = first_row(
        conn.execute("select bool_or(to_regprocedure(note) is null) from unnest(%s::text[]) as note", [notes])
    )
    if is_older:
        raise TimebackError(
            f"The catalog in schema {schema} was deployed by an older version, which notes less than is "
            "asked here. `dbt run` brings it up to date."
        )


def read_manifest(path: Path) -> dict[str, Any]:
    """dbt's manifest.

    Raises:
        TimebackError: there is none, or it is none of this project's.
    """
    manifest = read_json(path, "dbt parse")
    if not isinstance(manifest, dict) or not documented_columns(manifest):
        raise TimebackError(f"{path} lists no published dataset, so it is not a manifest of this project.")
    return manifest
