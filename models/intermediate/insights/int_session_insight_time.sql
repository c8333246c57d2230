-- Seconds of each kind of confirmed insight in a session: summed up now, or as the last run stored the sums, by the
-- dbt var stored_facts.
select
    student_id,
    session_id,
    waste_sec,
    cheating_sec,
    proctoring_sec
from {{ ref('int_session_insight_time_stored') if var('stored_facts') else ref('int_session_insight_time_live') }}
