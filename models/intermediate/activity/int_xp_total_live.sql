-- XP by student, application, session and day, summed up when it is asked for. The session is that of the ledger
-- entry's own event. The day without nulls and the ids of what is summed up, at the end, are for
-- int_xp_total_stored.
select
    student_id,
    learning_app_id,
    session_id,
    date,
    sum(value) as total_value,
    coalesce(date, '-infinity') as day,
    array_agg(xp_ledger_id order by xp_ledger_id) as xp_ledger_ids,
    array_agg(event_id order by event_id) filter (where event_id is not null) as event_ids
from {{ ref('int_xp_entry') }}
group by student_id, learning_app_id, session_id, date
