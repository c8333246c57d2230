select
    recommendations.type,
    coalesce(lower(recommendations.feedback_sentiment), 'no feedback') as feedback,
    count(*) as recommendations
from {{ ref('recommendations') }}
where recommendations.delivered_at is not null
group by recommendations.type, feedback
order by recommendations.type, feedback
