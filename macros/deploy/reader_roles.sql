{#-
    timeback_reader, timeback_unrestricted and timeback_bound belong to the whole server. They are created where
    the deploying role may create roles and reported where it may not; views work without them, but then nobody
    is unrestricted, no grant is made, and a role that is bound is bound in this database alone.
-#}
{% macro create_scope_roles() %}
    {%- call statement('scope_roles', fetch_result=True) -%}
        select
            wanted.role_name,
            deployer.rolsuper or deployer.rolcreaterole as may_create
        from unnest(array['timeback_reader', 'timeback_unrestricted', 'timeback_bound']) as wanted (role_name)
        cross join (select rolsuper, rolcreaterole from pg_catalog.pg_roles where rolname = current_user) as deployer
        where not exists (select from pg_catalog.pg_roles where pg_roles.rolname = wanted.role_name)
    {%- endcall -%}
    {%- for role in load_result('scope_roles').table.rows -%}
        {%- if role['may_create'] -%}
            {%- call statement('create_role') -%}
                do $create_role$
                begin
                    create role {{ role['role_name'] }} nologin;
                    comment on role {{ role['role_name'] }} is
                        {% if role['role_name'] == 'timeback_reader' -%}
                        'TimeBack analytics: may select from the published views and nothing else'
                        {%- elif role['role_name'] == 'timeback_bound' -%}
                        'TimeBack analytics: marks roles that are bound to organizations; without a binding where they ask they see nothing'
                        {%- else -%}
                        'TimeBack analytics: may ask for every organization with app.allowed_org_ids = *'
                        {%- endif %};
                -- another run on the same server was faster
                exception when duplicate_object or unique_violation then null;
                end
                $create_role$;
            {%- endcall -%}
            {%- do log("Created role " ~ role['role_name'], info=True) -%}
        {%- else -%}
            {%- do exceptions.warn(
                "Role " ~ role['role_name'] ~ " is missing and " ~ target.user ~ " may not create it. Ask an "
                ~ "administrator for: create role " ~ role['role_name'] ~ " nologin;"
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}


{#- The schemas that readers read: the published one, what metrics need, and the views in types for every tool. -#}
{% macro schemas_of_readers() -%}
    {{ return(
        [target.schema, generate_schema_name('metrics', none)]
        + ([generate_schema_name('bi', none)] if has_bi_views() else [])
    ) }}
{%- endmacro %}


{#-
    Lets readers into their schemas, which dbt has created by now, or in part. Here and not beside each view's grant,
    since two threads that grant on one schema at a time fail each other.
-#}
{% macro grant_published_schema() %}
    {%- if has_bi_views() and not adapter.check_schema_exists(target.dbname, generate_schema_name('bi', none)) -%}
        {%- do create_schema(api.Relation.create(database=target.dbname, schema=generate_schema_name('bi', none))) -%}
    {%- endif -%}
    {%- call statement('grant_published_schema') -%}
        do $grant$
        begin
            {%- for schema in schemas_of_readers() %}
            if
                exists (select from pg_catalog.pg_roles where rolname = 'timeback_reader')
                and to_regnamespace('{{ adapter.quote(schema) }}') is not null
                and not has_schema_privilege('timeback_reader', '{{ schema }}', 'usage')
            then
                grant usage on schema {{ adapter.quote(schema) }} to timeback_reader;
            end if;
            {%- endfor %}
        end
        $grant$;
    {%- endcall -%}
{% endmacro %}
