-- First attempts with their session, duration and result: the fact under attempts and
-- aggregated_session_attempts. Computed now, or as the last run stored them, by the dbt var stored_facts.
select
    student_id,
    resource_id,
    session_id,
    date,
    start_time,
    end_time,
    duration_sec,
    is_correct
from {{ ref('int_attempt_stored') if var('stored_facts') else ref('int_attempt_live') }}
