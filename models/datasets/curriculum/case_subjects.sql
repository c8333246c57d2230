select
    subject_id as id,
    title,
    hierarchy_code,
    description
from {{ ref('stg_cf_subject') }}
