{#-
    Stops the run before anything is deployed when a source table or column is missing or may not be
    read, with the whole list and where it was looked for.
-#}
{% macro check_sources() %}
    {%- if execute and flags.WHICH in ('run', 'build', 'test') -%}
        {%- set sources = graph.sources.values() | selectattr('package_name', 'equalto', project_name) | list -%}
        {%- set expected = [] -%}
        {%- for source in sources -%}
            {%- for column in source.columns.values() -%}
                {%- do expected.append("('" ~ source.schema ~ "', '" ~ source.identifier ~ "', '" ~ column.name ~ "')") -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- call statement('missing_sources', fetch_result=True) -%}
            with expected (schema_name, table_name, column_name) as (
                values
                {{ expected | join(',\n                ') }}
            ),

            found as (
                select
                    expected.*,
                    pg_class.oid as table_oid,
                    pg_attribute.attnum
                from expected
                left join pg_catalog.pg_namespace on pg_namespace.nspname = expected.schema_name
                left join pg_catalog.pg_class
                    on pg_class.relnamespace = pg_namespace.oid and pg_class.relname = expected.table_name
                    and pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
                left join pg_catalog.pg_attribute
                    on pg_attribute.attrelid = pg_class.oid and pg_attribute.attname = expected.column_name
                    and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
            )

            select distinct
                schema_name,
                table_name,
                case
                    when table_oid is null then 'table is missing'
                    when attnum is null then 'column ' || column_name || ' is missing'
                    else 'column ' || column_name || ' may not be read by ' || current_user
                end as problem
            from found
            where attnum is null or not has_column_privilege(table_oid, attnum, 'select')
            order by 1, 2, 3
        {%- endcall -%}
        {%- set missing = load_result('missing_sources').table.rows -%}
        {%- if missing -%}
            {%- set lines = [] -%}
            {%- for row in missing -%}
                {%- do lines.append('  ' ~ row['schema_name'] ~ '.' ~ row['table_name'] ~ ': ' ~ row['problem']) -%}
            {%- endfor -%}
            {%- do exceptions.raise_compiler_error(
                "The operational database lacks " ~ missing | length ~ " of what the catalog reads. Nothing was deployed.\n"
                ~ "Looked in database " ~ target.dbname ~ " on " ~ target.host ~ ", as " ~ target.user ~ ":\n"
                ~ lines | join('\n')
                ~ "\nAnother schema: --vars '{source_schema: NAME}'. Tables of other names: --vars '{source_identifiers: {TABLE: NAME}}'."
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
