-- Sessions with waste insights, and the time of those. A session whose seconds round to zero has no row.
select
    student_id,
    session_id,
    waste_sec as waste_duration_sec
from {{ ref('int_session_insight_time') }}
where waste_sec > 0
