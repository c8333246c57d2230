-- First attempts with their session, duration and result, worked out when they are asked for. The ids
-- of the rows that they are made of, at the end, are for int_attempt_stored.
select
    first_attempt.student_id,
    first_attempt.resource_id,
    attempt_session.session_id,
    {{ date_of('first_attempt.start_time') }} as date,
    first_attempt.start_time,
    first_attempt.end_time,
    coalesce(
        round({{ iso_duration_seconds('first_attempt.client_duration') }}),
        case
            when first_attempt.end_time >= first_attempt.start_time
                then {{ whole_seconds('first_attempt.start_time', 'first_attempt.end_time') }}
        end
    ) as duration_sec,
    newest_score.is_correct,
    first_attempt.attempt_id,
    newest_score.score_id,
    attempt_session.event_id
from {{ ref('int_first_attempt') }} as first_attempt
left join {{ ref('int_newest_score') }} as newest_score on first_attempt.attempt_id = newest_score.attempt_id
left join {{ ref('int_attempt_session') }} as attempt_session on first_attempt.attempt_id = attempt_session.attempt_id
