select
    cf_item_id,
    subject_id
from {{ source('operational', 'cf_item_subject') }}
