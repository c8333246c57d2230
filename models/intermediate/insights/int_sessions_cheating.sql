-- Sessions with cheating insights, and the time of those. A session whose seconds round to zero has no row.
select
    student_id,
    session_id,
    cheating_sec as cheating_duration_sec
from {{ ref('int_session_insight_time') }}
where cheating_sec > 0
