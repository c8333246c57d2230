"""SQL that every rule of the audit may name."""

# What every rule may name: our schemas, who deploys, the views of both schemas, what is documented, and the
# functions that a view calls, Postgres's own among them, which pg_depend does not list.
COMMON = r"""
with our_schema as (
    select oid, nspname, nspowner, nspacl, nspname <> %(internal)s as is_published
    from pg_catalog.pg_namespace
    where
        nspname in (%(published)s, %(internal)s)
        -- the datasets in types for every tool and what metrics need, where they were deployed
        or (
            nspname in (%(bi)s, %(metrics)s)
            and exists (select from {internal}.deployed_view where schema_name = nspname)
        )
),

deployer as (
    select relowner as oid from pg_catalog.pg_class
    where
        relname = 'int_caller_scope'
        and relnamespace = (select oid from our_schema where not is_published)
),

our_relation as (
    select
        pg_class.oid, pg_class.relname, pg_class.relkind, pg_class.relowner, pg_class.relacl,
        pg_class.reloptions, our_schema.is_published,
        quote_ident(our_schema.nspname) || '.' || quote_ident(pg_class.relname) as object
    from our_schema
    inner join pg_catalog.pg_class on our_schema.oid = pg_class.relnamespace
    where pg_class.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
),

our_function as (
    select pg_proc.*, our_schema.is_published, pg_proc.oid::regprocedure::text as object
    from our_schema
    inner join pg_catalog.pg_proc on our_schema.oid = pg_proc.pronamespace
),

documented as (
    select * from jsonb_to_recordset(%(documented)s::jsonb)
    as documented (dataset text, column_name text, is_scoped boolean, shows_other boolean)
),

asks_who_calls as (
    select distinct our_relation.oid
    from our_relation
    inner join pg_catalog.pg_rewrite on our_relation.oid = pg_rewrite.ev_class
    inner join pg_catalog.pg_depend
        on
            pg_depend.classid = 'pg_catalog.pg_rewrite'::regclass
            and pg_rewrite.oid = pg_depend.objid
            and pg_depend.refclassid = 'pg_catalog.pg_class'::regclass
    inner join our_relation as scope on pg_depend.refobjid = scope.oid
    where
        scope.relname in ('int_caller_scope', 'int_roar_caller_scope')
        and not scope.is_published
        and our_relation.is_published
),

called_number as (
    select our_relation.oid, our_relation.object, called.parts[1] as kind, called.parts[2]::oid as number
    from our_relation
    inner join pg_catalog.pg_rewrite on our_relation.oid = pg_rewrite.ev_class
    cross join lateral regexp_matches(
        pg_rewrite.ev_action::text, ':(funcid|opno|aggfnoid|winfnoid|eqop) ([0-9]+)', 'g'
    ) as called (parts)
),

called as (
    select distinct called_number.oid, called_number.object, pg_proc.oid as function_oid
    from called_number
    left join pg_catalog.pg_operator
        on called_number.number = pg_operator.oid and called_number.kind in ('opno', 'eqop')
    inner join pg_catalog.pg_proc
        on
            pg_proc.oid = case
                when called_number.kind in ('opno', 'eqop') then pg_operator.oprcode::oid
                else called_number.number
            end
),

granted as (
    select our_relation.object, our_relation.is_published, our_relation.relkind::text as kind,
        our_relation.relowner as owner, acl.grantee, acl.privilege_type, acl.is_grantable
    from our_relation
    cross join lateral aclexplode(our_relation.relacl) as acl
    union all
    select our_relation.object || '.' || quote_ident(pg_attribute.attname), our_relation.is_published,
        'column', our_relation.relowner, acl.grantee, acl.privilege_type, acl.is_grantable
    from our_relation
    inner join pg_catalog.pg_attribute on our_relation.oid = pg_attribute.attrelid
    cross join lateral aclexplode(pg_attribute.attacl) as acl
    union all
    select 'schema ' || quote_ident(our_schema.nspname), our_schema.is_published, 'schema',
        our_schema.nspowner, acl.grantee, acl.privilege_type, acl.is_grantable
    from our_schema
    cross join lateral aclexplode(our_schema.nspacl) as acl
    union all
    select our_function.object, our_function.is_published, 'function',
        our_function.proowner, acl.grantee, acl.privilege_type, acl.is_grantable
    from our_function
    cross join lateral aclexplode(our_function.proacl) as acl
)
"""
