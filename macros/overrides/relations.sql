{#-
    What dbt asks of the database before any hook runs, so before check_search_path: as dbt's own, but for the
    operators, which a stranger's of the same name could otherwise take the place of.
-#}
{% macro postgres__list_relations_without_caching(schema_relation) %}
    {%- call statement('list_relations_without_caching', fetch_result=True) -%}
        select
            '{{ schema_relation.database }}' as database,
            pg_class.relname as name,
            pg_namespace.nspname as schema,
            case pg_class.relkind
                when 'v' then 'view'
                when 'm' then 'materialized_view'
                else 'table'
            end as type
        from pg_catalog.pg_class
        inner join pg_catalog.pg_namespace on pg_class.relnamespace operator(pg_catalog.=) pg_namespace.oid
        where
            pg_namespace.nspname::pg_catalog.text operator(pg_catalog.~~*) '{{ schema_relation.schema }}'::pg_catalog.text
            and pg_class.relkind operator(pg_catalog.=) any('{r,p,v,m}'::pg_catalog."char"[])
        union all
        select distinct
            '{{ schema_relation.database }}',
            pg_proc.proname,
            pg_namespace.nspname,
            'function'
        from pg_catalog.pg_proc
        inner join pg_catalog.pg_namespace on pg_proc.pronamespace operator(pg_catalog.=) pg_namespace.oid
        where pg_namespace.nspname::pg_catalog.text operator(pg_catalog.~~*) '{{ schema_relation.schema }}'::pg_catalog.text
    {%- endcall -%}
    {{ return(load_result('list_relations_without_caching').table) }}
{% endmacro %}


{#- Which view reads which relation; dbt keeps it to know what a DROP ... CASCADE takes along. -#}
{% macro postgres__get_relations() -%}
    {%- call statement('relations', fetch_result=True) -%}
        select distinct
            view_namespace.nspname as dependent_schema,
            view.relname as dependent_name,
            read_namespace.nspname as referenced_schema,
            read.relname as referenced_name
        from pg_catalog.pg_rewrite
        inner join pg_catalog.pg_class as view on pg_rewrite.ev_class operator(pg_catalog.=) view.oid
        inner join pg_catalog.pg_namespace as view_namespace on view.relnamespace operator(pg_catalog.=) view_namespace.oid
        inner join pg_catalog.pg_depend
            on
                pg_rewrite.oid operator(pg_catalog.=) pg_depend.objid
                and pg_depend.classid operator(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
                and pg_depend.refclassid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        inner join pg_catalog.pg_class as read on pg_depend.refobjid operator(pg_catalog.=) read.oid
        inner join pg_catalog.pg_namespace as read_namespace on read.relnamespace operator(pg_catalog.=) read_namespace.oid
        where
            read.oid operator(pg_catalog.<>) view.oid
            and read_namespace.nspname operator(pg_catalog.<>) 'information_schema'
            and read_namespace.nspname::pg_catalog.text operator(pg_catalog.!~) '^pg_'
        order by dependent_schema, dependent_name, referenced_schema, referenced_name
    {%- endcall -%}
    {{ return(load_result('relations').table) }}
{%- endmacro %}
