select
    identifier as subject_id,
    title,
    hierarchy_code,
    description
from {{ source('operational', 'cf_subject') }}
