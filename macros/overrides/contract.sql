{#-
    dbt's contract check compares names and types; ours compares their order too, since the
    documented order is part of the contract. citext stands for the source's own type: on a server
    without the extension, or where the source column is text, text satisfies it.
-#}
{% macro postgres__get_assert_columns_equivalent(sql) -%}
    {%- set citext = citext_type() -%}
    {%- set declared = {} -%}
    {%- for name, column in model['columns'].items() -%}
        {%- set data_type = citext if column['data_type'] == 'citext' else column['data_type'] -%}
        {%- do declared.update({name: dict(column, data_type=data_type)}) -%}
    {%- endfor -%}
    {%- if not declared -%}
        {{ exceptions.raise_contract_error([], []) }}
    {%- endif -%}
    {%- set sql_columns = format_columns(get_column_schema_from_query(sql, config.get('sql_header', none))) -%}
    {%- set yaml_columns = format_columns(get_column_schema_from_query(get_empty_schema_sql(declared))) -%}
    {%- set sql_formatted = sql_columns | map(attribute='formatted') | list -%}
    {%- set yaml_formatted = yaml_columns | map(attribute='formatted') | list -%}
    {%- if citext != 'text' and citext in declared.values() | map(attribute='data_type') -%}
        {#- the source's own column may be text all the same -#}
        {%- for name, column in declared.items() if column['data_type'] == citext -%}
            {%- do declared.update({name: dict(column, data_type='text')}) -%}
        {%- endfor -%}
        {%- for column in format_columns(get_column_schema_from_query(get_empty_schema_sql(declared))) -%}
            {%- if column['formatted'] in sql_formatted -%}
                {%- do yaml_formatted.pop(loop.index0) -%}
                {%- do yaml_formatted.insert(loop.index0, column['formatted']) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if sql_formatted != yaml_formatted -%}
        {%- if sql_formatted | sort == yaml_formatted | sort -%}
            {%- do exceptions.raise_compiler_error(
                "The columns of " ~ model['name'] ~ " are not in the documented order.\n  documented: "
                ~ yaml_columns | map(attribute='name') | join(', ')
                ~ "\n  in the SQL: " ~ sql_columns | map(attribute='name') | join(', ')
            ) -%}
        {%- endif -%}
        {%- do exceptions.raise_contract_error(yaml_columns, sql_columns) -%}
    {%- endif -%}
{%- endmacro %}


{#- A query of no rows with these columns. dbt's own warns of every numeric; ours are of any precision on purpose. -#}
{% macro postgres__get_empty_schema_sql(columns) -%}
    select
    {%- for name, column in columns.items() %}
        {{ cast('null', column['data_type']) }} as {{ adapter.quote(column['name']) if column.get('quote') else column['name'] }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#- The type citext with its schema, which is in no search_path of ours; text where the server has none. -#}
{% macro citext_type() -%}
    {%- call statement('citext_type', fetch_result=True) -%}
        select pg_type.oid::regtype::text as name
        from pg_catalog.pg_extension
        inner join pg_catalog.pg_type on pg_extension.extnamespace = pg_type.typnamespace
        where pg_extension.extname = 'citext' and pg_type.typname = 'citext'
    {%- endcall -%}
    {%- set found = load_result('citext_type').table.columns['name'].values() -%}
    {{ return(found[0] if found else 'text') }}
{%- endmacro %}
