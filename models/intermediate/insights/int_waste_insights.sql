-- Confirmed insights that are time lost, under proctoring or not.
select
    student_id,
    duration_sec as waste_duration_sec,
    slug as waste_type,
    session_id,
    started_at_time,
    ended_at_time,
    reason as description
from {{ ref('int_confirmed_insight') }}
where is_waste
