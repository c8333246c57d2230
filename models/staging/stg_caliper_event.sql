select
    id as event_id,
    type as event_type,
    action,
    actor_id,
    object_id,
    generated_id,
    session_id,
    event_time
from {{ source('operational', 'caliper_event') }}
