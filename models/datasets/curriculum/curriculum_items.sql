select
    cf_item_id as curriculum_item_id,
    full_statement as curriculum_item_title,
    human_coding_scheme as curriculum_item_code,
    cf_item_type as curriculum_item_type
from {{ ref('stg_cf_item') }}
