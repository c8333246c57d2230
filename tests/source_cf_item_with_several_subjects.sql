{{ config(severity='warn', group='catalog') }}
select
    cf_item_id,
    count(distinct subject_id) as subject_count
from {{ ref('stg_cf_item_subject') }}
group by cf_item_id
having count(distinct subject_id) > 1
