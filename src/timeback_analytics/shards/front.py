"""The front: the server of the catalog, and which of its partitions are where."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from timeback_analytics.catalog.names import internal_schema
from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row
from timeback_analytics.shards.node import MARKS, Node

LOCAL = "local"
"""Where partitions are that are on the front itself."""

_PARTITIONS = """
    select
        parent.relname::text,
        substring(leaf.relname from '_p([0-9]+)$')::int,
        leaf.relname::text,
        pg_foreign_server.srvname::text,
        leaf.reltuples::bigint,
        case when leaf.relkind = 'r' then pg_total_relation_size(leaf.oid) end
    from pg_catalog.pg_partitioned_table
    inner join pg_catalog.pg_class as parent on pg_partitioned_table.partrelid = parent.oid
    inner join pg_catalog.pg_inherits on parent.oid = pg_inherits.inhparent
    inner join pg_catalog.pg_class as leaf on pg_inherits.inhrelid = leaf.oid
    left join pg_catalog.pg_foreign_table on leaf.oid = pg_foreign_table.ftrelid
    left join pg_catalog.pg_foreign_server on pg_foreign_table.ftserver = pg_foreign_server.oid
    where parent.relnamespace = to_regnamespace(%s) and pg_partitioned_table.partstrat = 'h'
    order by 1, 2
"""

# anybody who may use the server sees the options of their own mapping
_SERVERS = """
    select
        server.srvname::text,
        (
            select jsonb_object_agg(
                split_part(option, '=', 1), substring(option from position('=' in option) + 1)
            )
            from unnest(server.srvoptions || mapping.umoptions) as option
        ),
        mapping.umid is not null
    from pg_catalog.pg_foreign_server as server
    inner join pg_catalog.pg_foreign_table as marks on server.oid = marks.ftserver
    inner join pg_catalog.pg_class on marks.ftrelid = pg_class.oid
    left join pg_catalog.pg_user_mappings as mapping
        on server.oid = mapping.srvid and mapping.usename = current_user
    where pg_class.relnamespace = to_regnamespace(%s) and pg_class.relname = %s || '_' || server.srvname
    order by 1
"""

# what postgres_fdw has beside libpq's own options
_NOT_LIBPQ = {
    *("fetch_size", "batch_size", "async_capable", "truncatable", "updatable", "extensions"),
    *("use_remote_estimate", "fdw_startup_cost", "fdw_tuple_cost", "analyze_sampling", "parallel_commit"),
    *("parallel_abort", "keep_connections", "password_required", "import_default", "import_collate"),
}


@dataclass(frozen=True)
class Partition:
    """A partition of a stored table.

    Attributes:
        table: the stored table.
        number: the partition's, the remainder of its hash.
        name: its own name, here and where it is.
        server: the foreign server, or LOCAL.
        rows: as far as this server knows; None where it does not.
        size: bytes with indexes, where it is here.
    """

    table: str
    number: int
    name: str
    server: str
    rows: int | None
    size: int | None


class Front:
    """The catalog's own server.

    Args:
        conn: as the role that deploys.
        schema: the published schema.
    """

    def __init__(self, conn: psycopg.Connection, schema: str) -> None:
        self.conn = conn
        self.schema = schema
        self.internal = internal_schema(schema)

    def check_is_owner(self) -> None:
        """Stop unless the connection's role is the one that deploys: the owner of the internal schema.

        Raises:
            TimebackError: there is no such schema, or it is another's.
        """
        found = self.conn.execute(
            "select pg_get_userbyid(nspowner)::text from pg_catalog.pg_namespace where nspname = %s",
            [self.internal],
        ).fetchone()
        if found is None:
            raise TimebackError(
                f"There is no schema {self.internal} in database {self.conn.info.dbname}. `dbt run` "
                "makes it and "
                "deploys the catalog; name another one with --schema or TIMEBACK_SCHEMA."
            )
        if found[0] != self.conn.info.user:
            raise TimebackError(
                f"The catalog in schema {self.schema} is owned by {found[0]}, whose mapping the views "
                "use, and not "
                f"by {self.conn.info.user}. Connect as {found[0]}."
            )

    def partitions(self) -> list[Partition]:
        """The partitions of every stored table that has some, by table and number."""
        rows = self.conn.execute(_PARTITIONS, [sql.Identifier(self.internal).as_string(self.conn)])
        return [
            Partition(table, number, name, server or LOCAL, count if count >= 0 else None, size)
            for table, number, name, server, count, size in rows
        ]

    def nodes(self) -> dict[str, Node]:
        """The servers that `timeback shards add` made known, by name, reached as this role's mapping says.

        Raises:
            TimebackError: this role has no mapping to one of them.
        """
        rows = self.conn.execute(_SERVERS, [sql.Identifier(self.internal).as_string(self.conn), MARKS])
        found = {}
        for name, options, is_mapped in rows.fetchall():
            if not is_mapped:
                raise TimebackError(
                    f"{self.conn.info.user} has no user mapping to server {name}. `timeback shards "
                    "add` makes one, "
                    "or: create user mapping for current_user server ... options (user ..., password ...);"
                )
            found[name] = Node(name, {key: value for key, value in options.items() if key not in _NOT_LIBPQ})
        return found

    def node(self, name: str) -> Node:
        """One of them.

        Raises:
            TimebackError: there is none of that name.
        """
        nodes = self.nodes()
        if name not in nodes:
            raise TimebackError(
                f"There is no server {name}. Known: {', '.join([*nodes, LOCAL])}. `timeback shards "
                f"add {name}` "
                "makes it known."
            )
        return nodes[name]

    def is_superuser(self) -> bool:
        """Whether the connection's role is one."""
        return first_row(
            self.conn.execute("select rolsuper from pg_catalog.pg_roles where rolname = current_user")
        )[0]
