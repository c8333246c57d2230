-- the school year; a session of more than a day is a clock that was wrong
select
    learning_apps.name as application,
    date_trunc('week', sessions.date)::date as week,
    round(sum(sessions.duration_sec) / 60) as minutes
from {{ ref('sessions') }}
inner join {{ ref('learning_apps') }} on sessions.learning_app_id = learning_apps.id
where
    sessions.date >= date '2025-08-01'
    and sessions.duration_sec <= 86400
group by learning_apps.id, learning_apps.name, week
order by week, application
