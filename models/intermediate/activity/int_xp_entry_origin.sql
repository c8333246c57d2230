-- Which entry of which student a ledger row or an event affects; see int_attempt_origin. An entry's own
-- id is in both halves: there it is half of the key, and here what a ledger row is looked up by.
{{ config(enabled=var('stored_facts')) }}
select
    entry.student_id,
    entry.xp_ledger_id,
    null::text as event_id
from {{ ref('stg_tb_xp_ledger') }} as entry

union all

select
    entry.student_id,
    entry.xp_ledger_id,
    entry.source_event_id as event_id
from {{ ref('stg_tb_xp_ledger') }} as entry
where entry.source_event_id is not null
