-- The insights that a school may be told about a student, computed now, or as the last run stored them, by the
-- dbt var stored_facts.
select
    insight_id,
    student_id,
    session_id,
    slug,
    category,
    is_proctored,
    is_waste,
    is_cheating,
    is_proctoring,
    started_at_time,
    ended_at_time,
    duration_sec,
    reason
from {{ ref('int_insight_stored') if var('stored_facts') else ref('int_insight_live') }}
where is_confirmed
