{#-
    At the end of a run: drops what was set aside once nothing depends on it, and tells of views whose
    model is gone; var `remove_old_views` drops those too. Nothing is dropped with CASCADE, so what
    somebody else's object depends on stays, and is named.
-#}
{% macro clear_old_views() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- set old = old_views() -%}
        {%- set to_drop = [] -%}
        {%- for row in old if row['is_set_aside'] or var('remove_old_views') -%}
            {%- do to_drop.append(row['view_oid'] | int) -%}
        {%- endfor -%}
        {%- set left = old -%}
        {%- if to_drop -%}
            {%- call statement('drop_old_views') -%}
                {{ drop_views(to_drop) }}
            {%- endcall -%}
            {%- do adapter.commit() -%}
            {%- set left = old_views() -%}
        {%- endif -%}
        {%- set names_left = left | map(attribute='view_name') | list -%}
        {%- for row in old if not row['is_set_aside'] and row['view_name'] not in names_left -%}
            {%- do log("Dropped " ~ row['view_name'] ~ ", whose model is gone.", info=True) -%}
        {%- endfor -%}
        {%- for row in left -%}
            {%- if row['is_set_aside'] -%}
                {%- do log(
                    "Old columns are kept as " ~ row['view_name'] ~ ", since " ~ (row['dependents'] or "somebody")
                    ~ " still reads them; a later run drops them.", info=True
                ) -%}
            {%- elif not var('remove_old_views') -%}
                {%- do log(
                    row['view_name'] ~ " has no model any more. To drop it: dbt run --vars '{remove_old_views: true}', "
                    ~ "or timeback job --remove-old-views.", info=True
                ) -%}
            {%- else -%}
                {%- do log(
                    row['view_name'] ~ " has no model any more and is kept: " ~ (row['dependents'] or "somebody")
                    ~ " reads it.", info=True
                ) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{#-
    What is in our schemas and is not of this project any more, a row each: view_name, view_oid,
    is_set_aside, dependents. Views that a model was deployed to, when the model is gone, and
    those that were set aside; nothing that somebody else made.
-#}
{% macro old_views() -%}
    {%- call statement('old_views', fetch_result=True) -%}
        with old as (
            select
                pg_class.oid as view_oid,
                {{ is_set_aside('pg_class', 'pg_namespace') }} as is_set_aside
            from pg_catalog.pg_class
            inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
            left join {{ internal_schema() }}.deployed_view
                on pg_namespace.nspname = deployed_view.schema_name and pg_class.relname = deployed_view.view_name
            where
                {{ is_set_aside('pg_class', 'pg_namespace') }}
                or (
                    pg_class.relkind = 'v'
                    and deployed_view.view_name is not null
                    and (pg_namespace.nspname, pg_class.relname) not in ({{ names_of_our_views() }})
                )
        )

        select
            old.view_oid::regclass::text as view_name,
            old.view_oid::bigint as view_oid,
            old.is_set_aside,
            (
                select string_agg(dependent.description, ', ' order by dependent.description)
                from {{ relations_on('old.view_oid') }} as dependent
            ) as dependents
        from old
        order by 1
    {%- endcall -%}
    {{ return(load_result('old_views').table.rows) }}
{%- endmacro %}


{#- DO block that drops these relations, in the order of their dependencies, unless anything else depends on them or reads them. -#}
{% macro drop_views(view_oids) %}
    do $drop$
    declare
        one record;
        has_dropped boolean := true;
    begin
        perform set_config('lock_timeout', '200ms', true);
        while has_dropped loop
            has_dropped := false;
            for one in
                select pg_class.oid, pg_class.relname, pg_namespace.nspname, pg_class.relkind
                from pg_catalog.pg_class
                inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
                where pg_class.oid in ({{ view_oids | join(', ') }})
                order by pg_class.oid desc
            loop
                begin
                    execute format(
                        'drop %s %s', case one.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end, one.oid::regclass
                    );
                    delete from {{ internal_schema() }}.deployed_view
                    where deployed_view.schema_name = one.nspname and deployed_view.view_name = one.relname;
                    has_dropped := true;
                exception when dependent_objects_still_exist or lock_not_available then
                    null;
                end;
            end loop;
        end loop;
    end
    $drop$;
{% endmacro %}
