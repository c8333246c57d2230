"""Making a server known to the catalog, and ready to take partitions."""

from __future__ import annotations

import psycopg
from psycopg import sql

from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row
from timeback_analytics.shards.front import Front
from timeback_analytics.shards.node import MARKS, Node, node_schema

SERVER_OPTIONS = {
    # rows a round trip, of reads and of writes
    "fetch_size": "10000",
    "batch_size": "1000",
    # the nodes work at the same time
    "async_capable": "true",
}

# how text is sorted and compared, under the names of any version
_COLLATION = """
    select
        pg_encoding_to_char(encoding),
        coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
        coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', datcollate),
        datctype
    from pg_catalog.pg_database as d
    where datname = current_database()
"""


def add_node(front: Front, node: Node) -> list[str]:
    """Make a node known: its schema there, the server, the owner's mapping and the table of marks here.

    Args:
        front: as the role that deploys, in a transaction.
        node: with all options of libpq, the password among them.

    Returns:
        What an administrator should do yet, as sentences.

    Raises:
        TimebackError: it is known already, cannot be reached, or lacks what it needs.
    """
    front.check_is_owner()
    conn = front.conn
    known = conn.execute(
        "select from pg_catalog.pg_foreign_server where srvname = %s", [node.name]
    ).fetchone()
    if known is not None:
        raise TimebackError(
            f"There is a server {node.name} already. `timeback shards show` tells what is there; to "
            "change it: "
            f"alter server {node.name} options (...)."
        )
    _check_extension(front)
    with node.connect() as there:
        _check_node(front, node, there)
        _prepare_node(there, node_schema(front.schema))
    _make_server(front, node)
    # through the mapping, as a reader's query goes
    marks = sql.Identifier(front.internal, f"{MARKS}_{node.name}")
    try:
        conn.execute(sql.SQL("select count(*) from {}").format(marks))
    except psycopg.Error as error:
        raise TimebackError(
            f"Server {node.name} was reached from here, but not by postgres_fdw from the database's "
            "own machine: "
            f"{' '.join(str(error).split())}"
        ) from error
    return _settings_to_make(front)


def _check_extension(front: Front) -> None:
    """Have postgres_fdw, and the right to use it."""
    conn = front.conn
    user = sql.Identifier(conn.info.user).as_string(conn)
    remedy = (
        f"Have an administrator run in database {conn.info.dbname}: create extension postgres_fdw; "
        f"grant usage on foreign data wrapper postgres_fdw to {user};"
    )
    available, installed = first_row(
        conn.execute(
            """select count(*) > 0, count(installed_version) > 0
            from pg_catalog.pg_available_extensions where name = 'postgres_fdw'"""
        )
    )
    if not available:
        raise TimebackError(
            "This server has no postgres_fdw (the embedded one has none). It is in PostgreSQL's own "
            "contrib package."
        )
    if not installed:
        if not front.is_superuser():
            raise TimebackError(f"postgres_fdw is not created here. {remedy}")
        # in no schema that a search_path goes through by default
        conn.execute(
            sql.SQL("create extension postgres_fdw schema {}").format(sql.Identifier(front.internal))
        )
    (may_use,) = first_row(conn.execute("select has_foreign_data_wrapper_privilege('postgres_fdw', 'usage')"))
    if not may_use:
        raise TimebackError(f"{conn.info.user} may not use postgres_fdw. {remedy}")


def _check_node(front: Front, node: Node, there: psycopg.Connection) -> None:
    """Stop at a node that would answer otherwise than the front, or as somebody too strong."""
    if there.info.server_version < 140000:
        raise TimebackError(f"Server {node.name} is older than PostgreSQL 14.")
    if node.is_on_network and not there.pgconn.ssl_in_use:
        raise TimebackError(
            f"Server {node.name} is reached over a network without TLS. Set ssl = on there, and leave "
            "out --sslmode."
        )
    same = [
        first_row(
            side.execute(
                "select system_identifier, pg_postmaster_start_time() from pg_catalog.pg_control_system()"
            )
        )
        for side in (front.conn, there)
    ]
    if same[0] == same[1] and there.info.dbname == front.conn.info.dbname:
        raise TimebackError(f"Server {node.name} is this very database.")
    here_sorts, there_sorts = (first_row(side.execute(_COLLATION)) for side in (front.conn, there))
    if here_sorts != there_sorts:
        raise TimebackError(
            f"Database {there.info.dbname} of server {node.name} has another encoding or collation "
            f"({', '.join(map(str, there_sorts))}) than this one ({', '.join(map(str, here_sorts))}), "
            "so that it would "
            "compare text otherwise. Create it with the same."
        )
    role, is_strong = first_row(
        there.execute(
            """select rolname::text, rolsuper or rolcreaterole or rolbypassrls
            from pg_catalog.pg_roles where rolname = current_user"""
        )
    )
    if is_strong:
        raise TimebackError(
            f"Role {role} of server {node.name} is a superuser, may create roles or passes by row "
            "level security. "
            "Name one that owns the partitions and nothing else: create role facts login password '...';"
        )


def _prepare_node(there: psycopg.Connection, schema: str) -> None:
    """Make the schema on a node, closed to everybody else, with its table of marks."""
    name = sql.Identifier(schema)
    found = there.execute(
        "select pg_get_userbyid(nspowner)::text from pg_catalog.pg_namespace where nspname = %s", [schema]
    ).fetchone()
    if found is None:
        (may_create,) = first_row(
            there.execute("select has_database_privilege(current_database(), 'create')")
        )
        if not may_create:
            database, user = (
                sql.Identifier(text).as_string(there) for text in (there.info.dbname, there.info.user)
            )
            raise TimebackError(
                f"{user} may not create a schema on the node. Have an administrator run there: "
                f"grant create on database {database} to {user};"
            )
        there.execute(sql.SQL("create schema {}").format(name))
    elif found[0] != there.info.user:
        raise TimebackError(f"Schema {schema} on the node is owned by {found[0]}, not by {there.info.user}.")
    there.execute(sql.SQL("revoke all on schema {} from public").format(name))
    there.execute(
        sql.SQL("create table if not exists {} (model_name text primary key, mark text not null)").format(
            sql.Identifier(schema, MARKS)
        )
    )


def _make_server(front: Front, node: Node) -> None:
    """The foreign server, the mapping of the views' owner, and the node's marks as a foreign table."""
    conn = front.conn
    of_mapping = {key: value for key, value in node.options.items() if key in ("user", "password")}
    of_server = {key: value for key, value in node.options.items() if key not in of_mapping}
    conn.execute(
        sql.SQL("create server {} foreign data wrapper postgres_fdw options ({})").format(
            sql.Identifier(node.name), _options({**of_server, **SERVER_OPTIONS})
        )
    )
    conn.execute(
        sql.SQL("create user mapping for current_user server {} options ({})").format(
            sql.Identifier(node.name), _options(of_mapping)
        )
    )
    conn.execute(
        sql.SQL("create foreign table {} (model_name text, mark text) server {} options ({})").format(
            sql.Identifier(front.internal, f"{MARKS}_{node.name}"),
            sql.Identifier(node.name),
            _options({"schema_name": node_schema(front.schema), "table_name": MARKS}),
        )
    )


def _options(options: dict[str, str]) -> sql.Composed:
    """OPTIONS of a foreign object."""
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in options.items()
    )


def _settings_to_make(front: Front) -> list[str]:
    """Have sums by student computed on the nodes, or say how."""
    conn = front.conn
    database = sql.Identifier(conn.info.dbname).as_string(conn)
    (is_owner,) = first_row(
        conn.execute(
            """select pg_has_role(datdba, 'usage') from pg_catalog.pg_database
            where datname = current_database()"""
        )
    )
    statements = [
        f"alter database {database} set enable_partitionwise_{kind} = on" for kind in ("aggregate", "join")
    ]
    if is_owner:
        for statement in statements:
            conn.execute(sql.SQL(statement))
        return []
    return [f"So that nodes compute sums by student, have the database's owner run: {'; '.join(statements)};"]
