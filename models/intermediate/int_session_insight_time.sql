-- Seconds of each kind of confirmed insight in a session, rounded once, after summing.
-- Time is counted once where insights of cheating or of proctoring overlap; waste is a plain sum.
-- A session whose seconds round to zero has no row.
with kind_insight as (
    select
        insight.student_id,
        insight.session_id,
        insight_kind.kind,
        insight_kind.counts_overlaps_once,
        insight.started_at_time,
        insight.ended_at_time
    from {{ ref('int_confirmed_insight') }} as insight
    cross join
        lateral (
            values
            ('waste', insight.is_waste, false),
            ('cheating', insight.is_cheating, true),
            ('proctoring', insight.is_proctoring, true)
        ) as insight_kind (kind, applies, counts_overlaps_once)
    where insight_kind.applies
),

student_interval as (
    select
        student_id,
        session_id,
        kind,
        -- the range of an insight without length is empty and adds nothing
        range_agg(tstzrange(started_at_time, ended_at_time)) filter (where counts_overlaps_once) as merged_intervals,
        sum(extract(epoch from ended_at_time - started_at_time)) filter (where not counts_overlaps_once) as plain_sum_sec
    from kind_insight
    group by student_id, session_id, kind
),

session_interval as (
    select
        student_interval.student_id,
        student_interval.session_id,
        student_interval.kind,
        student_interval.merged_intervals,
        student_interval.plain_sum_sec
    from student_interval
    -- what another student did in the same session is not this student's time
    inner join {{ ref('int_session_insight_student') }} as session_student
        on
            student_interval.session_id = session_student.session_id
            and student_interval.student_id = session_student.student_id
),

session_time as (
    select
        session_interval.student_id,
        session_interval.session_id,
        session_interval.kind,
        round(coalesce(session_interval.plain_sum_sec, merged.merged_sum_sec)) as duration_sec
    from session_interval
    cross join lateral (
        select sum(extract(epoch from upper(merged_interval.time_range) - lower(merged_interval.time_range))) as merged_sum_sec
        from unnest(session_interval.merged_intervals) as merged_interval (time_range)
    ) as merged
)

select
    student_id,
    session_id,
    kind,
    duration_sec
from session_time
where duration_sec > 0
