select
    id as attempt_id,
    assignee_id as student_id,
    assignable_id as resource_id,
    count as attempt_count,
    started_at_time as start_time,
    ended_at_time as end_time,
    duration as client_duration,
    date_created,
    date_last_modified
from {{ source('operational', 'caliper_attempt') }}
