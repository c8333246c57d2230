-- Which insight an insight's row, an insights session or a review affects; see int_attempt_origin. The key is an insight's
-- own id and names its row in both halves. Internal types too: int_insight_live leaves their insights out.
{{ config(enabled=var('stored_facts')) }}
select
    insight.insight_id,
    insight.insights_session_id,
    null::uuid as review_id
from {{ ref('stg_insights_insight') }} as insight

union all

select
    review.insight_id,
    null::uuid as insights_session_id,
    review.review_id
from {{ ref('stg_insights_review') }} as review
