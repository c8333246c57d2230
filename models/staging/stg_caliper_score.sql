select
    id as score_id,
    attempt_id,
    score_given,
    max_score,
    date_created
from {{ source('operational', 'caliper_score') }}
