{#-
    dbt's contract check compares names and types; ours compares their order too, since the
    documented order is part of the contract. citext stands for the source's own type: on a server
    without the extension, or where the source column is text, text satisfies it.
-#}
{% macro postgres__get_assert_columns_equivalent(sql) -%}
    {%- set has_citext = run_query("select to_regtype('citext') is not null").columns[0].values()[0] -%}
    {%- set declared = {} -%}
    {%- for name, column in model['columns'].items() -%}
        {%- set data_type = 'text' if column['data_type'] == 'citext' and not has_citext else column['data_type'] -%}
        {%- do declared.update({name: dict(column, data_type=data_type)}) -%}
    {%- endfor -%}
    {%- if not declared -%}
        {{ exceptions.raise_contract_error([], []) }}
    {%- endif -%}
    {%- set sql_columns = format_columns(get_column_schema_from_query(sql, config.get('sql_header', none))) -%}
    {%- set yaml_columns = format_columns(get_column_schema_from_query(get_empty_schema_sql(declared))) -%}
    {%- set sql_formatted = sql_columns | map(attribute='formatted') | list -%}
    {%- set yaml_formatted = [] -%}
    {%- for column in yaml_columns -%}
        {%- set index = loop.index0 -%}
        {%- if column['data_type'] == 'citext' and index < sql_columns | length and sql_columns[index]['data_type'] == 'text' -%}
            {%- do yaml_formatted.append(column['name'] | lower ~ ' text') -%}
        {%- else -%}
            {%- do yaml_formatted.append(column['formatted']) -%}
        {%- endif -%}
    {%- endfor -%}
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
