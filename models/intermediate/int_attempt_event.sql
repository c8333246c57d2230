-- The events that tie an attempt to a session, one row an attempt and event: the attempt is what the
-- event made (generated) or what it acted on (object).
select
    generated_id as attempt_id,
    session_id,
    event_time,
    event_id
from {{ ref('stg_caliper_event') }}
where generated_id is not null and session_id is not null

union all

select
    object_id as attempt_id,
    session_id,
    event_time,
    event_id
from {{ ref('stg_caliper_event') }}
where
    object_id is not null
    and session_id is not null
    and object_id is distinct from generated_id
