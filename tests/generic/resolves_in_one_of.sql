{% test resolves_in_one_of(model, column_name, to, field) %}
    {%- if to is string or not to -%}
        {%- do exceptions.raise_compiler_error(
            "resolves_in_one_of on " ~ model ~ "." ~ column_name ~ " needs the relations as a list, as in to: [ref('courses'), ref('units')]"
        ) -%}
    {%- endif -%}
-- no alias on the model itself: dbt's `where` config hands it in as a subquery that has one
with child (resource_id, row_count) as (
    select
        {{ adapter.quote(column_name) }},
        count(*)
    from {{ model }}
    where {{ adapter.quote(column_name) }} is not null
    group by {{ adapter.quote(column_name) }}
)

select
    child.resource_id,
    child.row_count
from child
where
    {%- for relation in to %}
    {{ 'and ' if not loop.first }}not exists (
        select from {{ relation }} as parent
        where parent.{{ adapter.quote(field) }} = child.resource_id
    )
    {%- endfor %}
{% endtest %}
