"""Who may do what with partitions: here beside what `timeback audit` asks, and on the nodes."""

from __future__ import annotations

import psycopg

from timeback_analytics.audit.servers import QUERY
from timeback_analytics.errors import TimebackError
from timeback_analytics.shards.front import Front
from timeback_analytics.shards.node import MARKS, Node, node_schema

# a row (object, finding) for each right on a node that nobody needs
_ON_NODE = """
    with ours as (
        select oid, nspname, nspacl, nspowner from pg_catalog.pg_namespace where nspname = %(schema)s
    ),

    granted (object, owner, grantee, privilege) as (
        select 'schema ' || ours.nspname, ours.nspowner, acl.grantee, acl.privilege_type
        from ours cross join lateral aclexplode(ours.nspacl) as acl
        union all
        select ours.nspname || '.' || pg_class.relname, pg_class.relowner, acl.grantee, acl.privilege_type
        from ours
        inner join pg_catalog.pg_class on ours.oid = pg_class.relnamespace
        cross join lateral aclexplode(pg_class.relacl) as acl
        union all
        select
            ours.nspname || '.' || pg_class.relname || '.' || pg_attribute.attname, pg_class.relowner,
            acl.grantee, acl.privilege_type
        from ours
        inner join pg_catalog.pg_class on ours.oid = pg_class.relnamespace
        inner join pg_catalog.pg_attribute on pg_class.oid = pg_attribute.attrelid
        cross join lateral aclexplode(pg_attribute.attacl) as acl
        union all
        select 'schema public', nspowner, acl.grantee, acl.privilege_type
        from pg_catalog.pg_namespace cross join lateral aclexplode(nspacl) as acl
        where nspname = 'public' and acl.grantee = 0 and acl.privilege_type = 'CREATE'
        union all
        select 'database ' || datname, datdba, acl.grantee, acl.privilege_type
        from pg_catalog.pg_database
        cross join lateral aclexplode(coalesce(datacl, acldefault('d', datdba))) as acl
        where datname = current_database() and acl.grantee = 0
    )

    select
        object,
        case grantee when 0 then 'everybody' else pg_get_userbyid(grantee)::text end || ' has ' || privilege
    from granted
    where grantee <> owner
    union all
    select nspname || '.' || relname, 'is owned by ' || pg_get_userbyid(relowner)
    from ours inner join pg_catalog.pg_class on ours.oid = pg_class.relnamespace
    where relowner <> (select oid from pg_catalog.pg_roles where rolname = current_user)
    union all
    select 'role ' || current_user, 'is a superuser, may create roles or passes by row level security'
    from pg_catalog.pg_roles
    where rolname = current_user and (rolsuper or rolcreaterole or rolbypassrls)
    union all
    select 'role ' || rolname, 'reads every table as a member of pg_read_all_data'
    from pg_catalog.pg_roles
    where
        not rolsuper and rolcanlogin and rolname <> current_user
        and pg_has_role(oid, 'pg_read_all_data', 'member')
    order by 1, 2
"""


def find_open_doors(front: Front) -> list[tuple[str, str]]:
    """What is open that nobody needs, here and on each node; what does not answer, too.

    Args:
        front: as the role that deploys; nothing is written.

    Returns:
        (object, finding) each, in the order of the servers.
    """
    front.check_is_owner()
    found = [
        (str(where), str(what))
        for where, what in front.conn.execute(QUERY, {"internal": front.internal}).fetchall()
    ]
    for name, node in front.nodes().items():
        try:
            found += [(f"{name}: {where}", what) for where, what in _of_node(front, node)]
        except (TimebackError, psycopg.Error) as error:
            found.append((name, " ".join(str(error).split())))
    return found


def _of_node(front: Front, node: Node) -> list[tuple[str, str]]:
    here = {partition.name for partition in front.partitions() if partition.server == node.name}
    schema = node_schema(front.schema)
    with node.connect(autocommit=True) as conn:
        found = conn.execute(_ON_NODE, {"schema": schema}).fetchall()
        if node.is_on_network and not conn.pgconn.ssl_in_use:
            found.append(
                ("connection", "is not encrypted: alter server ... options (add sslmode 'verify-full')")
            )
        tables = {
            name
            for (name,) in conn.execute(
                "select tablename::text from pg_catalog.pg_tables where schemaname = %s", [schema]
            )
        }
    found += [(f"{schema}.{name}", "is missing, and is read") for name in sorted(here - tables)]
    found += [
        (f"{schema}.{name}", "is left from a move that was interrupted: drop it")
        for name in sorted(tables - here - {MARKS})
    ]
    return found
