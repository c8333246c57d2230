-- Insights of the types that may leave the platform, each with its type and its insight session.
-- Every insight dataset starts here, so that an internal type reaches none of them.
select
    insight.insight_id,
    insights_session.insights_session_id,
    insights_session.student_id,
    insights_session.session_id,
    insights_session.learning_app_id,
    insights_session.is_proctored,
    insight_type.insight_type_id,
    insight_type.slug,
    insight_type.category,
    insight_type.is_waste,
    insight.started_at_time,
    insight.ended_at_time,
    insight.reason,
    insight.is_visible
from {{ ref('stg_insights_session') }} as insights_session
inner join {{ ref('stg_insights_insight') }} as insight on insights_session.insights_session_id = insight.insights_session_id
inner join {{ ref('stg_insights_type') }} as insight_type on insight.insight_type_id = insight_type.insight_type_id
where insight_type.visibility = 'external'
