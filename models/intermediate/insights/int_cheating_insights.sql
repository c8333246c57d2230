-- Confirmed insights of cheating, under proctoring or not.
select
    student_id,
    session_id,
    slug as insight_type,
    started_at_time,
    ended_at_time,
    duration_sec,
    reason as description
from {{ ref('int_confirmed_insight') }}
where is_cheating
