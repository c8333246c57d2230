-- XP ledger entries with their session: the fact under students_xp. Worked out now, or as the last run
-- stored them, by the dbt var stored_facts.
select
    student_id,
    learning_app_id,
    session_id,
    date,
    value
from {{ ref('int_xp_entry_stored') if var('stored_facts') else ref('int_xp_entry_live') }}
