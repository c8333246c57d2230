{{ config(severity='warn', group='catalog', enabled=has_roar()) }}
-- by collection, since an unknown one has many documents
select
    collection,
    jsonb_typeof(data) as data_type,
    count(*) as documents,
    min(path) as example
from {{ ref('stg_roar_document') }}
where
    jsonb_typeof(data) <> 'object'
    or collection is null
    or not (
        {%- for kind in roar_collections() %}
        {{ 'or ' if not loop.first }}{{ is_roar_kind(kind) }}
        {%- endfor %}
    )
group by collection, jsonb_typeof(data)
order by collection, data_type
