-- Sessions with proctoring insights, and the time of those.
select
    student_id,
    session_id,
    duration_sec as proctoring_duration_sec
from {{ ref('int_session_insight_time') }}
where kind = 'proctoring'
