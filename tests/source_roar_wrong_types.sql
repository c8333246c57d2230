{{ config(severity='warn', group='catalog') }}
{#- Every field of every kind of document, as the models read it: what is there and not of its type. -#}
with found as (
    {%- for kind, documents in roar_collections().items() %}
    {{ 'union all' if not loop.first }}
    select
        '{{ kind }}' as kind,
        document.path,
        field.place,
        field.expected_type,
        field.found_type
    from (
        select
            path,
            data
        from {{ ref('stg_roar_document') }}
        where {{ is_roar_kind(kind) }}
    ) as document
    cross join lateral (
        values
        {%- for _, type, places in documents['fields'] %}
        {%- set is_last_field = loop.last %}
        {%- for place in places %}
        (
            '{{ place }}',
            '{{ type }}',
            jsonb_typeof({{ roar_place(place) }}),
            {{ json_value(roar_place(place), type) | indent(12) }} is null
            {%- if type == 'text[]' %}
            or jsonb_path_exists({{ roar_place(place) }}, 'strict $[*] ? (@.type() != "string")')
            {%- endif %}
        ){{ ',' if not (is_last_field and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    ) as field (place, expected_type, found_type, is_other)
    -- absent is null here, and JSON's null is not a wrong type either
    where field.found_type <> 'null' and field.is_other
    {%- endfor %}
)

select
    kind,
    place,
    expected_type,
    found_type,
    count(*) as documents,
    min(path) as example
from found
group by kind, place, expected_type, found_type
order by kind, place, found_type
