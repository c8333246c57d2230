{{ config(severity='warn', group='catalog') }}
select
    review.insight_id,
    review.reviewed_at,
    array_agg(distinct review.result order by review.result) as results
from {{ ref('stg_insights_review') }} as review
where
    not exists (
        select 1
        from {{ ref('stg_insights_review') }} as later
        where review.insight_id = later.insight_id and review.reviewed_at < later.reviewed_at
    )
group by review.insight_id, review.reviewed_at
having count(distinct review.result) > 1
