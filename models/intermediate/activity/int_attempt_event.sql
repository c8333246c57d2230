-- The events of an attempt, one row an attempt and event: the attempt is what the event made
-- (generated) or what it acted on (object). An event that names an attempt twice is two rows, told
-- apart by mention. Neither half has a WHERE clause: Postgres can reach the indexes below a UNION ALL
-- from a join just as long as its halves are bare tables.
select
    generated_id as attempt_id,
    session_id,
    event_time,
    event_id,
    1 as mention
from {{ ref('stg_caliper_event') }}

union all

select
    object_id as attempt_id,
    session_id,
    event_time,
    event_id,
    2 as mention
from {{ ref('stg_caliper_event') }}
