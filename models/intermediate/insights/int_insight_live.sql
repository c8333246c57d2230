-- Insights of the types that may leave the platform: whether a school may be told of each one, and which of the
-- three kinds it is. One insight can be of two kinds: cheating that also wastes time is both.
-- The latest review is looked up insight by insight, so that one student's insights stay an index lookup.
-- The ids of the rows that an insight is made of, at the end, are for int_insight_stored, and so are the insights that
-- are not confirmed: one of them may be, once its latest review is gone.
select
    insight.insight_id,
    insight.student_id,
    insight.session_id,
    insight.slug,
    insight.category,
    insight.is_proctored,
    insight.is_waste and insight.category in ('Engagement', 'Proctoring', 'Cheating') as is_waste,
    insight.category = 'Cheating' as is_cheating,
    -- the same behaviour outside proctoring breaks no rule of proctoring
    insight.category = 'Proctoring' and insight.is_proctored as is_proctoring,
    insight.started_at_time,
    insight.ended_at_time,
    {{ whole_seconds('insight.started_at_time', 'insight.ended_at_time') }} as duration_sec,
    insight.reason,
    insight.is_visible
    -- an end before the start is malformed
    and insight.ended_at_time >= insight.started_at_time
    and (
        not exists (
            select 1
            from {{ ref('stg_insights_config') }} as config
            where insight.insight_type_id = config.insight_type_id and config.requires_review
        )
        or (
            select review.result
            from {{ ref('stg_insights_review') }} as review
            where insight.insight_id = review.insight_id
            order by review.reviewed_at desc, review.review_id desc
            limit 1
        ) = 'TruePositive'
    ) as is_confirmed,
    insight.insights_session_id,
    (
        select review.review_id
        from {{ ref('stg_insights_review') }} as review
        where insight.insight_id = review.insight_id
        order by review.reviewed_at desc, review.review_id desc
        limit 1
    ) as review_id
from {{ ref('int_external_insight') }} as insight
