{% test always_recorded(model, columns) %}
    {{ config(fail_calc = "coalesce(sum(rows_without), 0)") }}
    {%- if columns is string or not columns -%}
        {%- do exceptions.raise_compiler_error(
            "always_recorded on " ~ model ~ " needs the columns that are never null as a list, as in columns: [user_id, status]"
        ) -%}
    {%- endif -%}
-- one pass over the table for all of its columns
with counted as (
    select
        {%- for column in columns %}
        count(*) filter (where {{ adapter.quote(column) }} is null) as {{ adapter.quote(column) }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
)

select
    listed.column_name,
    listed.rows_without
from counted
cross join lateral (
    values
    {%- for column in columns %}
    ('{{ column }}', counted.{{ adapter.quote(column) }}){{ ',' if not loop.last }}
    {%- endfor %}
) as listed (column_name, rows_without)
where listed.rows_without > 0
{% endtest %}
