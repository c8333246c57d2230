-- The one CASE subject of each item that is mapped to one. An item with several keeps the lowest
-- hierarchy code, then the lowest id. An id that leads to no subject has no code: it comes last, and
-- stays where the item has no other.
select distinct on (mapping.cf_item_id)
    mapping.cf_item_id,
    mapping.subject_id
from {{ ref('stg_cf_item_subject') }} as mapping
left join {{ ref('stg_cf_subject') }} as subject on mapping.subject_id = subject.subject_id
where mapping.subject_id is not null
order by
    mapping.cf_item_id,
    subject.hierarchy_code collate "C" asc nulls last,
    mapping.subject_id
