"""Rights by which a bound role sees more than its binding lets it, whatever the views do."""

import psycopg
from psycopg import sql

QUERY = """
with deployer as (
    select relowner as oid from pg_catalog.pg_class where oid = to_regclass({internal} || '.int_caller_scope')
),

bound as (
    select pg_roles.oid, pg_roles.rolname, pg_roles.rolsuper, pg_roles.rolcreaterole
    from pg_catalog.pg_roles
    where pg_roles.rolname in (
        select role_name from {schema}.scope_binding union select role_name from {schema}.roar_scope_binding
    )
),

-- what our views read and we did not make
source as (
    select distinct pg_class.oid, pg_class.relnamespace, pg_class.relname
    from pg_catalog.pg_class as view
    inner join pg_catalog.pg_rewrite on view.oid = pg_rewrite.ev_class
    inner join pg_catalog.pg_depend
        on
            pg_depend.classid = 'pg_catalog.pg_rewrite'::regclass
            and pg_rewrite.oid = pg_depend.objid
            and pg_depend.refclassid = 'pg_catalog.pg_class'::regclass
    inner join pg_catalog.pg_class on pg_depend.refobjid = pg_class.oid
    where
        view.relnamespace = to_regnamespace({internal})
        and pg_class.relnamespace not in (
            view.relnamespace, to_regnamespace({published}), 'pg_catalog'::regnamespace
        )
),

-- also what a role may become with SET ROLE
may_be as (
    select bound.oid, bound.rolname, other.oid as other_oid
    from bound
    inner join pg_catalog.pg_roles as other on pg_has_role(bound.oid, other.oid, 'member')
    where not bound.rolsuper and not other.rolsuper and other.oid <> (select oid from deployer)
)

select rolname::text, 'is a superuser, who reads every table' from bound where rolsuper
union all
select
    rolname::text,
    'may create roles (CREATEROLE): before PostgreSQL 16 any role is then its own, later each that it made'
from bound where rolcreaterole and not rolsuper
union all
select bound.rolname::text, 'is a member of ' || strong.rolname || ', which ' || strong.power
from bound
inner join (
    select pg_roles.oid, pg_roles.rolname, known.power
    from (
        values
            ('pg_read_all_data', 'reads every table'),
            ('pg_read_server_files', 'reads the files of the server'),
            ('pg_execute_server_program', 'runs programs on the server')
    ) as known (rolname, power)
    inner join pg_catalog.pg_roles on known.rolname = pg_roles.rolname
) as strong on pg_has_role(bound.oid, strong.oid, 'member')
where not bound.rolsuper
union all
select bound.rolname::text, 'may act as ' || deployer.oid::regrole || ', which deploys and reads every table'
from bound
cross join deployer
where not bound.rolsuper and bound.oid <> deployer.oid and pg_has_role(bound.oid, deployer.oid, 'member')
union all
select
    may_be.rolname::text,
    concat(
        'may read ', min(source.oid::regclass::text),
        ' and ' || nullif(count(distinct source.oid) - 1, 0) || ' more', ' of the tables behind the views'
    )
from may_be
inner join source
    on
        has_any_column_privilege(may_be.other_oid, source.oid, 'select')
        and has_schema_privilege(may_be.other_oid, source.relnamespace, 'usage')
where not exists (
    -- told above
    select from pg_catalog.pg_roles
    where
        pg_roles.rolname = 'pg_read_all_data' and pg_has_role(may_be.oid, pg_roles.oid, 'member')
)
group by may_be.rolname
order by 1, 2
"""
"""A row (role, finding) for each right of a bound role that its binding does not narrow."""


def rights_that_void_a_binding(conn: psycopg.Connection, schema: str, role: str) -> list[str]:
    """What a bound role may do that its binding does not narrow; empty where there is nothing, or no binding.

    Args:
        conn: a connection of the deploying role or a superuser, search_path pinned.
        schema: the published schema.
        role: the bound role.
    """
    query = query_for(schema)
    return [finding for who, finding in conn.execute(query).fetchall() if who == role]


def query_for(schema: str) -> sql.Composed:
    """QUERY for the catalog of a published schema."""
    internal = sql.Identifier(f"{schema}_internal")
    return sql.SQL(QUERY).format(
        schema=internal,
        internal=sql.Literal(internal.as_string(None)),
        published=sql.Literal(sql.Identifier(schema).as_string(None)),
    )
