select
    id as recommendation_id,
    user_id as student_id,
    type,
    source,
    source_reference_id,
    title,
    visibility,
    content,
    {{ date_of('generated_at') }} as date,
    generated_at,
    delivered_at,
    feedback_sentiment,
    feedback_text,
    feedback_at
from {{ source('operational', 'insights_recommendation') }}
