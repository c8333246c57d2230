-- XP by student, application, session and day. The session is that of the ledger entry's own event.
select
    entry.student_id,
    entry.learning_app_id,
    event.session_id,
    entry.date,
    sum(entry.value) as total_value
from {{ ref('stg_tb_xp_ledger') }} as entry
left join {{ ref('stg_caliper_event') }} as event on entry.source_event_id = event.event_id
group by entry.student_id, entry.learning_app_id, event.session_id, entry.date
