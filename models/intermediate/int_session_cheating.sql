-- Sessions with cheating insights, and the time of those.
select
    student_id,
    session_id,
    duration_sec as cheating_duration_sec
from {{ ref('int_session_insight_time') }}
where kind = 'cheating'
