{{ config(severity='warn', group='catalog') }}
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
    or collection not in (
        {%- for name in roar_collections().values() | map(attribute='collections') | sum(start=[]) %}
            '{{ name }}'{{ ',' if not loop.last }}
        {%- endfor %}
    )
group by collection, jsonb_typeof(data)
order by collection, data_type
