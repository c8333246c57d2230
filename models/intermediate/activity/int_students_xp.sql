-- XP by student, application, session and day: summed up now, or as the last run stored the sums, by the dbt var
-- stored_facts.
select
    student_id,
    learning_app_id,
    session_id,
    date,
    total_value
from {{ ref('int_xp_total_stored') if var('stored_facts') else ref('int_xp_total_live') }}
