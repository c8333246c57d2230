-- Seconds that each student spent in learning sessions, and those of their waste insights.
-- Added up by student before anything meets schools, so that sessions and insights are read once.
with app_time as (
    select
        student_id,
        sum(duration_sec) as app_time_sec
    from {{ ref('stg_caliper_session') }}
    where student_id is not null
    group by student_id
),

waste_time as (
    select
        student_id,
        sum(waste_duration_sec) as waste_time_sec
    from {{ ref('int_waste_insight') }}
    group by student_id
)

select
    coalesce(app_time.student_id, waste_time.student_id) as student_id,
    coalesce(app_time.app_time_sec, 0) as app_time_sec,
    coalesce(waste_time.waste_time_sec, 0) as waste_time_sec
from app_time
full outer join waste_time on app_time.student_id = waste_time.student_id
