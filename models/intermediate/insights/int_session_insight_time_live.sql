-- Seconds of each kind of confirmed insight in a session, rounded once, after summing.
-- Time is counted once where insights of cheating or of proctoring overlap; waste is a plain sum.
-- Summed session by session, so that a filter on the session or on the student comes before the sums.
-- The ids of what a row is made of, at the end, are for int_session_insight_time_stored.
select
    session_student.student_id,
    session_student.session_id,
    round(total.waste_sec) as waste_sec,
    round({{ seconds_covered('total.cheating_ranges') }}) as cheating_sec,
    round({{ seconds_covered('total.proctoring_ranges') }}) as proctoring_sec,
    session_student.insights_session_id,
    total.insight_ids
from {{ ref('int_session_insight_student') }} as session_student
cross join lateral (
    select
        sum({{ seconds_between('insight.started_at_time', 'insight.ended_at_time') }}) filter (where insight.is_waste) as waste_sec,
        -- the range of an insight without length is empty and adds nothing
        range_agg(tstzrange(insight.started_at_time, insight.ended_at_time)) filter (where insight.is_cheating) as cheating_ranges,
        range_agg(tstzrange(insight.started_at_time, insight.ended_at_time)) filter (where insight.is_proctoring) as proctoring_ranges,
        array_agg(insight.insight_id order by insight.insight_id) as insight_ids
    from {{ ref('int_confirmed_insight') }} as insight
    where
        insight.session_id = session_student.session_id
        -- what another student did in the same session is not this student's time
        and insight.student_id = session_student.student_id
        -- without a length where it has no finite start and end
        and {{ seconds_between('insight.started_at_time', 'insight.ended_at_time') }} is not null
) as total
