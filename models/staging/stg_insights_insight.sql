select
    id as insight_id,
    session_id as insights_session_id,
    insight_type_id,
    started_at_time,
    ended_at_time,
    reason,
    is_visible,
    date_last_modified
from {{ source('operational', 'insights_insight') }}
