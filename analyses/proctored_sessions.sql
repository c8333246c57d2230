select
    sessions.id as session_id,
    sessions.student_id,
    sessions.start_time,
    sessions.duration_sec,
    coalesce(sessions_proctoring.proctoring_duration_sec, 0) as seconds_in_breach
from {{ ref('sessions') }}
left join {{ ref('sessions_proctoring') }} on sessions.id = sessions_proctoring.session_id
where sessions.is_proctored
order by sessions.start_time desc
