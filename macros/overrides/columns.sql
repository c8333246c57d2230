{#-
    The columns of a relation with types that can be cast to. The information schema, which dbt reads,
    calls every array ARRAY and every type of an extension, such as citext, USER-DEFINED; a unit test
    that casts its rows to those fails.
-#}
{% macro postgres__get_columns_in_relation(relation) -%}
    {%- call statement('get_columns_in_relation', fetch_result=True) %}
        select
            listed.column_name,
            case
                when listed.data_type in ('ARRAY', 'USER-DEFINED') then format_type(pg_attribute.atttypid, null)
                else listed.data_type
            end as data_type,
            listed.character_maximum_length,
            listed.numeric_precision,
            listed.numeric_scale
        from {{ relation.information_schema('columns') }} as listed
        inner join pg_catalog.pg_namespace on listed.table_schema = pg_namespace.nspname
        inner join pg_catalog.pg_class
            on pg_namespace.oid = pg_class.relnamespace and listed.table_name = pg_class.relname
        inner join pg_catalog.pg_attribute
            on pg_class.oid = pg_attribute.attrelid and listed.column_name = pg_attribute.attname
        where
            listed.table_name = '{{ relation.identifier }}'
            {%- if relation.schema %}
            and listed.table_schema = '{{ relation.schema }}'
            {%- endif %}
        order by listed.ordinal_position
    {%- endcall -%}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}
