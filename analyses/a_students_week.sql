-- put a student's id and a Monday in the place of the busiest
with student as (
    select sessions.student_id
    from {{ ref('sessions') }}
    where
        sessions.student_id is not null
        and sessions.duration_sec <= 86400
    group by sessions.student_id
    order by sum(sessions.duration_sec) desc, sessions.student_id
    limit 1
),

busiest_week as (
    select date_trunc('week', sessions.date)::date as monday
    from {{ ref('sessions') }}
    inner join student on sessions.student_id = student.student_id
    group by monday
    order by count(distinct sessions.date) desc, monday
    limit 1
)

select
    sessions.date as day,
    learning_apps.name as application,
    round(sum(sessions.duration_sec) / 60, 1) as minutes
from {{ ref('sessions') }}
inner join student on sessions.student_id = student.student_id
cross join busiest_week
inner join {{ ref('learning_apps') }} on sessions.learning_app_id = learning_apps.id
where
    sessions.date >= busiest_week.monday
    and sessions.date < busiest_week.monday + 7
group by sessions.date, learning_apps.id, learning_apps.name
order by day, application
