-- Sessions with proctoring insights, and the time of those. A session whose seconds round to zero has no row.
select
    student_id,
    session_id,
    proctoring_sec as proctoring_duration_sec
from {{ ref('int_session_insight_time') }}
where proctoring_sec > 0
