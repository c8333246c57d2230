with time_spent as (
    select
        sessions.learning_app_id,
        sum(sessions.duration_sec) / 60 as minutes
    from {{ ref('sessions') }}
    group by sessions.learning_app_id
),

points as (
    select
        students_xp.learning_app_id,
        sum(students_xp.total_value) as xp
    from {{ ref('students_xp') }}
    group by students_xp.learning_app_id
)

select
    learning_apps.name as application,
    round(time_spent.minutes) as minutes,
    points.xp,
    round(points.xp / nullif(time_spent.minutes, 0), 2) as xp_per_minute
from {{ ref('learning_apps') }}
inner join time_spent on learning_apps.id = time_spent.learning_app_id
inner join points on learning_apps.id = points.learning_app_id
order by xp_per_minute desc
