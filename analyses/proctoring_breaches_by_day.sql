select
    (proctoring_insights.started_at_time at time zone 'UTC')::date as day,
    count(*) as breaches,
    count(distinct proctoring_insights.session_id) as sessions_with_breaches
from {{ ref('proctoring_insights') }}
where proctoring_insights.started_at_time is not null
group by day
order by day
