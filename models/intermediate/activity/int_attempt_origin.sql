-- Which student and resource an attempt, a score or an event affects: what to recompute when that row
-- is new or corrected. Each row has one of the three ids. int_attempt_stored reads it by one of them, and
-- a constant null in the other halves leaves those out.
{{ config(enabled=var('stored_facts')) }}
select
    attempt.student_id,
    attempt.resource_id,
    attempt.attempt_id,
    null::text as score_id,
    null::text as event_id
from {{ ref('stg_caliper_attempt') }} as attempt

union all

select
    attempt.student_id,
    attempt.resource_id,
    null::text as attempt_id,
    score.score_id,
    null::text as event_id
from {{ ref('stg_caliper_score') }} as score
inner join {{ ref('stg_caliper_attempt') }} as attempt on score.attempt_id = attempt.attempt_id

union all

select
    attempt.student_id,
    attempt.resource_id,
    null::text as attempt_id,
    null::text as score_id,
    attempt_event.event_id
from {{ ref('int_attempt_event') }} as attempt_event
inner join {{ ref('stg_caliper_attempt') }} as attempt on attempt_event.attempt_id = attempt.attempt_id
