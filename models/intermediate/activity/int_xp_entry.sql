-- XP ledger entries with the session of their own event. The ids of the rows that they are made of, at the end,
-- are for int_xp_total_stored.
select
    entry.student_id,
    entry.learning_app_id,
    event.session_id,
    entry.date,
    entry.value,
    entry.xp_ledger_id,
    event.event_id
from {{ ref('stg_tb_xp_ledger') }} as entry
left join {{ ref('stg_caliper_event') }} as event on entry.source_event_id = event.event_id
