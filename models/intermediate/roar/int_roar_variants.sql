-- A variant may stand under both spellings of the collection: the newer document counts, of two as old
-- the one under `tasks`.
with variant as (
    {{ roar_documents('variant', ['update_time', 'collection']) | indent(4) }}
)

select distinct on (variant.task_id, variant.id)
    {{ roar_columns('variant') }}
from variant
order by variant.task_id, variant.id, variant.update_time desc, variant.collection desc
