-- Which day of which student a ledger row or an event affects; see int_attempt_origin.
{{ config(enabled=var('stored_facts')) }}
select
    entry.student_id,
    coalesce(entry.date, '-infinity') as day,
    entry.xp_ledger_id,
    null::text as event_id
from {{ ref('stg_tb_xp_ledger') }} as entry

union all

select
    entry.student_id,
    coalesce(entry.date, '-infinity') as day,
    null::uuid as xp_ledger_id,
    entry.source_event_id as event_id
from {{ ref('stg_tb_xp_ledger') }} as entry
where entry.source_event_id is not null
