select
    cheating_insights.insight_type,
    count(distinct cheating_insights.session_id) as sessions_with_cheating,
    round(sum(cheating_insights.duration_sec) / 60) as minutes
from {{ ref('cheating_insights') }}
group by cheating_insights.insight_type
order by sessions_with_cheating desc
