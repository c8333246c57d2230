select
    date_trunc('week', sessions.date)::date as week,
    count(distinct sessions.student_id) as active_students
from {{ ref('sessions') }}
where
    sessions.student_id is not null
    and sessions.date >= date '2025-08-01'
group by week
order by week
