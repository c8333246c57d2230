-- Sessions with their flags: computed now, or as the last run stored them, by the dbt var stored_facts.
select
    id,
    student_id,
    learning_app_id,
    date,
    start_time,
    end_time,
    duration_sec,
    webcam_enabled,
    is_proctored
from {{ ref('int_session_stored') if var('stored_facts') else ref('int_session_live') }}
