{{ config(severity='warn', group='catalog', enabled=has_roar()) }}
-- by collection, since an unknown one has many documents
select
    concat_ws('/', collection_1, nullif(collection_2, ''), nullif(collection_3, ''), nullif(collection_4, '')) as collection,
    is_document_path,
    jsonb_typeof(data) as data_type,
    count(*) as documents,
    min(path) as example
from {{ ref('stg_roar_document') }}
where
    jsonb_typeof(data) <> 'object'
    or not (
        {%- for kind in roar_collections() %}
        {{ 'or ' if not loop.first }}({{ is_roar_kind(kind) | indent(8) }})
        {%- endfor %}
    )
group by 1, 2, 3
order by 1, 2, 3
