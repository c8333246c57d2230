{#-
    Every date and timestamp of every operational table, and how many rows hold one that is not finite, before 1900
    or after 2199; in one pass over each table.
-#}
{% macro count_times_out_of_range() %}
{%- set tables = {} -%}
{%- for source in (graph.sources.values() | selectattr('package_name', 'equalto', project_name) | sort(attribute='name') if execute else []) -%}
    {%- set times = [] -%}
    {%- for column in source.columns.values() if column.data_type in ('date', 'timestamptz') -%}
        {%- do times.append(column.name) -%}
    {%- endfor -%}
    {%- if times -%}
        {%- do tables.update({source.name: {'relation': source.relation_name, 'columns': times}}) -%}
    {%- endif -%}
{%- endfor -%}
    {%- for table, found in tables.items() %}
    {{ 'union all' if not loop.first }}
    select
        '{{ table }}',
        listed.*
    from (
        select
            {%- for column in found['columns'] %}
            {%- set time = 'recorded.' ~ adapter.quote(column) %}
            count(*) filter (
                where not isfinite({{ time }}) or {{ time }} < '1900-01-01' or {{ time }} >= '2200-01-01'
            ) as count_{{ loop.index }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ found['relation'] }} as recorded
    ) as table_count
    cross join lateral (
        values
        {%- for column in found['columns'] %}
        ('{{ column }}', table_count.count_{{ loop.index }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as listed
    {%- else %}
    select
        null::text,
        null::text,
        null::bigint
    {%- endfor %}
{% endmacro %}
