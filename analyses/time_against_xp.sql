-- each side is summed up before they meet: joined row by row, each would multiply the other
with time_spent as (
    select
        sessions.student_id,
        sum(sessions.duration_sec) / 60 as minutes
    from {{ ref('sessions') }}
    group by sessions.student_id
),

points as (
    select
        students_xp.student_id,
        sum(students_xp.total_value) as xp
    from {{ ref('students_xp') }}
    group by students_xp.student_id
)

select
    students.id as student_id,
    round(time_spent.minutes, 1) as minutes,
    points.xp
from {{ ref('students') }}
inner join time_spent on students.id = time_spent.student_id
inner join points on students.id = points.student_id
where time_spent.minutes is not null
order by minutes
