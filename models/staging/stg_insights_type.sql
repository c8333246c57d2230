select
    id as insight_type_id,
    slug,
    category,
    visibility,
    is_waste
from {{ source('operational', 'insights_type') }}
