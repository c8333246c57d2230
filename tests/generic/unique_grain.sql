{% test unique_grain(model, columns) %}
    {%- if columns is string or not columns -%}
        {%- do exceptions.raise_compiler_error(
            "unique_grain on " ~ model ~ " needs the columns of the grain as a list, as in columns: [student_id, date]"
        ) -%}
    {%- endif -%}
    {%- set grain = columns | map('string') | map('trim') | map('lower') | list -%}
-- group by takes two nulls for the same value, as a reader who joins on the grain would
select
    {%- for column in grain %}
    {{ adapter.quote(column) }},
    {%- endfor %}
    count(*) as row_count
from {{ model }}
group by
    {%- for column in grain %}
    {{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
having count(*) > 1
{% endtest %}
