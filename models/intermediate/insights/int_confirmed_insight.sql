-- The insights that a school may be told about a student, and which of the three kinds each one is.
-- One insight can be of two kinds: cheating that also wastes time is both.
-- The latest review is looked up insight by insight, so that one student's insights stay an index lookup.
-- A subquery and no CTE, which Postgres would not merge into a join with people.
select
    insight_id,
    student_id,
    session_id,
    slug,
    category,
    is_proctored,
    is_waste and category in ('Engagement', 'Proctoring', 'Cheating') as is_waste,
    category = 'Cheating' as is_cheating,
    -- the same behaviour outside proctoring breaks no rule of proctoring
    category = 'Proctoring' and is_proctored as is_proctoring,
    started_at_time,
    ended_at_time,
    {{ whole_seconds('started_at_time', 'ended_at_time') }} as duration_sec,
    reason
from (
    select
        insight.insight_id,
        insight.student_id,
        insight.session_id,
        insight.slug,
        insight.category,
        insight.is_waste,
        insight.is_proctored,
        insight.started_at_time,
        insight.ended_at_time,
        insight.reason
    from {{ ref('int_external_insight') }} as insight
    where
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
        )
) as confirmed
