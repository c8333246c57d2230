-- a session without waste has no row in sessions_waste: left join, and 0.
-- The school year; a session of more than a day is a clock that was wrong
select
    date_trunc('week', sessions.date)::date as week,
    round(sum(coalesce(sessions_waste.waste_duration_sec, 0)) / nullif(sum(sessions.duration_sec), 0), 4) as waste_share
from {{ ref('sessions') }}
left join {{ ref('sessions_waste') }} on sessions.id = sessions_waste.session_id
where
    sessions.date >= date '2025-08-01'
    and sessions.duration_sec <= 86400
group by week
having sum(sessions.duration_sec) > 0
order by week
