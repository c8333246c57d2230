{#-
    Stops the run before anything is deployed if somebody else owns one of the schemas, anything in the
    internal one, or a published relation with a model's name. `create or replace` and `create if not exists`
    would keep that owner, who could then change the scope: drop a binding, replace the function that reads
    the setting, or remove the barrier of a view.
-#}
{% macro check_owners() %}
    {%- call statement('foreign_owners', fetch_result=True) -%}
        {{ what_others_own() }}
    {%- endcall -%}
    {%- set foreign = load_result('foreign_owners').table.rows -%}
    {%- if foreign -%}
        {%- set lines = [] -%}
        {%- for row in foreign -%}
            {%- do lines.append('  ' ~ row['object'] ~ ' is owned by ' ~ row['owner']) -%}
        {%- endfor -%}
        {%- do exceptions.raise_compiler_error(
            "Somebody other than " ~ foreign[0]['deployer'] ~ ", who deploys, owns what the caller's scope depends on, and "
            ~ "could change it. No view was made or changed.\n" ~ lines | join('\n')
            ~ "\nDeploy as that role, if it is the one that deployed before. Else have an administrator look at "
            ~ "them, and drop them or give them over: alter ... owner to " ~ foreign[0]['deployer'] ~ ";"
        ) -%}
    {%- endif -%}
{% endmacro %}


{#- A row for each schema, relation and function of ours that a role owns which is not trusted: object, owner, deployer. -#}
{% macro what_others_own() %}
    {%- set published = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.schema in schemas_of_readers() -%}
        {%- do published.append(dbt.string_literal(node.alias)) -%}
    {%- endfor -%}
    with schema_of_ours as (
        select oid, nspname, nspowner, nspname <> '{{ generate_schema_name("internal", none) }}' as is_published
        from pg_catalog.pg_namespace
        where nspname in ('{{ ([generate_schema_name("internal", none)] + schemas_of_readers()) | join("', '") }}')
    ),

    owned as (
        select 'schema ' || quote_ident(nspname) as object, nspowner as owner
        from schema_of_ours
        union all
        select 'relation ' || pg_class.oid::regclass, pg_class.relowner
        from schema_of_ours
        inner join pg_catalog.pg_class on schema_of_ours.oid = pg_class.relnamespace
        where
            pg_class.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            and (not is_published or pg_class.relname in ({{ published | join(', ') or "''" }}))
        union all
        select 'function ' || pg_proc.oid::regprocedure, pg_proc.proowner
        from schema_of_ours
        inner join pg_catalog.pg_proc on schema_of_ours.oid = pg_proc.pronamespace
        where not is_published
    ),

    judged as (
        select
            owned.object,
            -- of a schema such as public
            case when role.rolname = 'pg_database_owner' then pg_database.datdba else owned.owner end as owner
        from owned
        inner join pg_catalog.pg_roles as role on owned.owner = role.oid
        inner join pg_catalog.pg_database on pg_database.datname = current_database()
    )

    select
        judged.object,
        owner.rolname as owner,
        me.rolname as deployer
    from judged
    inner join pg_catalog.pg_roles as owner on judged.owner = owner.oid
    inner join pg_catalog.pg_roles as me on me.rolname = current_user
    where
        {{ is_untrusted('owner', 'me') }}
    order by judged.object
{% endmacro %}
