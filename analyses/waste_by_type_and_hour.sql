select
    waste_insights.waste_type,
    extract(hour from waste_insights.started_at_time at time zone 'UTC')::int as hour,
    round(sum(waste_insights.waste_duration_sec) / 60) as minutes
from {{ ref('waste_insights') }}
where waste_insights.started_at_time is not null
group by waste_insights.waste_type, hour
having sum(waste_insights.waste_duration_sec) >= 60
order by waste_insights.waste_type, hour
