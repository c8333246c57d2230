select
    cf_item.cf_item_id as id,
    cf_item.full_statement as title,
    item_subject.subject_id as case_subject_id
from {{ ref('stg_cf_item') }} as cf_item
left join {{ ref('int_cf_item_subject') }} as item_subject on cf_item.cf_item_id = item_subject.cf_item_id
where cf_item.cf_item_type = 'Course'
