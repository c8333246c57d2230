{#-
    Stops the run at once if PostgreSQL could call somebody else's function or operator instead of the one that is
    meant here: it would run with the deploying role's rights. This is possible if the connection's search_path has
    a schema where somebody else may create objects or owns any, or names a schema that does not exist and that
    somebody else may create (`"$user"` too).

    The plugin that comes with the `timeback` command leaves only pg_catalog in the path. This check is for a dbt
    without the plugin. Nothing in it may depend on the path, so even operators are written with their schema.
-#}
{% macro check_search_path() %}
    {%- if execute -%}
        {%- call statement('search_path', fetch_result=True) -%}
            {{ untrusted_on_search_path() }}
        {%- endcall -%}
        {%- set found = load_result('search_path').table.rows -%}
        {%- if found -%}
            {%- set lines = [] -%}
            {%- for row in found -%}
                {%- do lines.append('  ' ~ row['object'] ~ ' ' ~ row['finding']) -%}
            {%- endfor -%}
            {%- do exceptions.raise_compiler_error(
                "The search_path of " ~ found[0]['deployer'] ~ " is " ~ found[0]['path'] ~ ", and what somebody else makes there "
                ~ "could run with this role's rights. Nothing was run.\n" ~ lines | unique | join('\n')
                ~ "\nGive this role a path of its own: alter role " ~ found[0]['deployer'] ~ " set search_path = pg_catalog, pg_temp; "
                ~ "or write search_path: pg_catalog into profiles.yml (dbt then passes on no PGOPTIONS). Where the timeback command "
                ~ "is installed beside dbt, it does that by itself."
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#- A row for each problem: object, finding, and the path and the role that it concerns. -#}
{% macro untrusted_on_search_path() %}
    with me as (
        select
            oid,
            rolname,
            rolsuper
        from pg_catalog.pg_roles
        where rolname operator(pg_catalog.=) current_user
    ),

    untrusted as (
        {{ untrusted_roles() | indent(8) }}
    ),

    database as (
        select
            oid,
            datdba,
            datacl
        from pg_catalog.pg_database
        where datname operator(pg_catalog.=) pg_catalog.current_database()
    ),

    on_path as (
        select
            pg_namespace.oid,
            pg_namespace.nspname,
            pg_namespace.nspacl,
            -- the schema public belongs to the owner of the database
            case when owner.rolname operator(pg_catalog.=) 'pg_database_owner' then database.datdba else pg_namespace.nspowner end as owner
        from pg_catalog.pg_namespace
        inner join pg_catalog.pg_roles as owner on pg_namespace.nspowner operator(pg_catalog.=) owner.oid
        cross join database
        where
            pg_namespace.nspname operator(pg_catalog.=) any(pg_catalog.current_schemas(true))
            and pg_namespace.oid operator(pg_catalog.<>) pg_catalog.pg_my_temp_schema()
    ),

    named as (
        select pg_catalog.btrim(listed.element, ' "') as schema_name
        from pg_catalog.unnest(
            pg_catalog.string_to_array(pg_catalog.current_setting('search_path'), ',')
        ) as listed (element)
    ),

    finding as (
        {{ untrusted_in_schemas() | indent(8) }}
        union all
        {{ untrusted_who_may_create_schemas() | indent(8) }}
    )

    select
        finding.object,
        finding.finding,
        me.rolname as deployer,
        pg_catalog.current_setting('search_path') as path
    from finding
    cross join me
{% endmacro %}


{#- Part of untrusted_on_search_path: roles that may not make what the deploying role runs; everybody has the oid 0. -#}
{% macro untrusted_roles() -%}
select
    pg_roles.oid,
    pg_catalog.format('%s', pg_roles.rolname) as who
from pg_catalog.pg_roles
cross join me
where
    {{ is_untrusted('pg_roles', 'me') }}
union all
select 0::pg_catalog.oid, 'everybody'
{%- endmacro %}


{#- Part of untrusted_on_search_path: schemas on the path where somebody else may create, or owns something. -#}
{% macro untrusted_in_schemas() -%}
select
    pg_catalog.format('schema %I', on_path.nspname) as object,
    pg_catalog.format('is owned by %s', untrusted.who) as finding
from on_path
inner join untrusted on on_path.owner operator(pg_catalog.=) untrusted.oid
union all
select
    pg_catalog.format('schema %I', on_path.nspname),
    pg_catalog.format('lets %s create', untrusted.who)
from on_path
cross join lateral pg_catalog.aclexplode(on_path.nspacl) as granted
inner join untrusted on granted.grantee operator(pg_catalog.=) untrusted.oid
where granted.privilege_type operator(pg_catalog.=) 'CREATE'
union all
select
    pg_catalog.format('function %s', pg_proc.oid::pg_catalog.regprocedure),
    pg_catalog.format('is owned by %s', untrusted.who)
from on_path
inner join pg_catalog.pg_proc on on_path.oid operator(pg_catalog.=) pg_proc.pronamespace
inner join untrusted on pg_proc.proowner operator(pg_catalog.=) untrusted.oid
union all
select
    pg_catalog.format('operator %s', pg_operator.oid::pg_catalog.regoperator),
    pg_catalog.format('is owned by %s', untrusted.who)
from on_path
inner join pg_catalog.pg_operator on on_path.oid operator(pg_catalog.=) pg_operator.oprnamespace
inner join untrusted on pg_operator.oprowner operator(pg_catalog.=) untrusted.oid
{%- endmacro %}


{#- Part of untrusted_on_search_path: schemas that the path names, that do not exist, and that somebody else may create. -#}
{% macro untrusted_who_may_create_schemas() -%}
select
    pg_catalog.format('schema %s', named.schema_name),
    pg_catalog.format('does not exist, and %s may create it', untrusted.who)
from named
cross join database
cross join lateral pg_catalog.aclexplode(
    coalesce(database.datacl, pg_catalog.acldefault('d', database.datdba))
) as granted
inner join untrusted on granted.grantee operator(pg_catalog.=) untrusted.oid
where
    granted.privilege_type operator(pg_catalog.=) 'CREATE'
    and named.schema_name operator(pg_catalog.<>) 'pg_temp'
    and not exists (
        select from pg_catalog.pg_namespace
        where
            pg_namespace.nspname::pg_catalog.text
            operator(pg_catalog.=) pg_catalog.replace(named.schema_name, '$user', current_user::pg_catalog.text)
    )
{%- endmacro %}


{#-
    Condition: true for a role whose objects must not run with the deploying role's rights. Trusted are that role
    itself, superusers, and roles that it belongs to. Both arguments are rows of pg_roles.
-#}
{% macro is_untrusted(role, me) -%}
    {{ role }}.oid operator(pg_catalog.<>) {{ me }}.oid
    and not {{ role }}.rolsuper
    -- to a superuser every role is one that it belongs to
    and ({{ me }}.rolsuper or not pg_catalog.pg_has_role({{ role }}.oid, 'usage'))
{%- endmacro %}
