-- each side is summed up before they meet: joined row by row, each would multiply the other
with time_spent as (
    select
        sessions.student_id,
        sessions.learning_app_id,
        sum(sessions.duration_sec) as seconds
    from {{ ref('sessions') }}
    group by sessions.student_id, sessions.learning_app_id
),

points as (
    select
        students_xp.student_id,
        students_xp.learning_app_id,
        sum(students_xp.total_value) as xp
    from {{ ref('students_xp') }}
    group by students_xp.student_id, students_xp.learning_app_id
)

select
    students.name as student,
    learning_apps.name as application,
    coalesce(time_spent.seconds, 0) / 60 as minutes,
    coalesce(points.xp, 0) as xp
from time_spent
full outer join points
    on time_spent.student_id = points.student_id and time_spent.learning_app_id = points.learning_app_id
inner join {{ ref('students') }} on coalesce(time_spent.student_id, points.student_id) = students.id
left join {{ ref('learning_apps') }}
    on coalesce(time_spent.learning_app_id, points.learning_app_id) = learning_apps.id
order by student, application
