-- Recommendations meant for the student; what is written for staff goes no further than staging.
select
    recommendation_id as id,
    student_id,
    type,
    source,
    source_reference_id,
    title,
    visibility,
    content,
    date,
    generated_at,
    delivered_at,
    feedback_sentiment,
    feedback_text,
    feedback_at
from {{ ref('stg_insights_recommendation') }}
where visibility = 'student'
