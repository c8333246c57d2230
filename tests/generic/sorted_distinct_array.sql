{% test sorted_distinct_array(model, column_name) %}
select
    {{ column_name }} as found,
    array(
        select distinct element
        from unnest({{ column_name }}) as listed (element)
        where element is not null
        order by element
    ) as expected
from {{ model }}
-- array() is empty and not null where there is nothing, so a null array is found out too
where {{ column_name }} is distinct from array(
    select distinct element
    from unnest({{ column_name }}) as listed (element)
    where element is not null
    order by element
)
{% endtest %}
