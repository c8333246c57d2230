{% test array_elements_resolve(model, column_name, to, field) %}
with element as (
    select distinct listed.element
    from {{ model }} as listing
    cross join lateral unnest(listing.{{ column_name }}) as listed (element)
)

select element.element
from element
where not exists (
    select from {{ to }} as target
    where target.{{ field }} = element.element
)
{% endtest %}
