select
    id as review_id,
    insight_id,
    result,
    reviewed_at
from {{ source('operational', 'insights_review') }}
