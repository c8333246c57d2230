-- The session of an attempt: that of its earliest event with one, then of the lowest event id.
select
    attempt_event.attempt_id,
    attempt_event.session_id,
    attempt_event.event_id
from {{ ref('int_attempt_event') }} as attempt_event
where
    attempt_event.session_id is not null
    and not exists (
        select
        from {{ ref('int_attempt_event') }} as earlier
        where
            earlier.attempt_id = attempt_event.attempt_id
            and earlier.session_id is not null
            and (earlier.event_time, earlier.event_id collate "C", earlier.mention)
            < (attempt_event.event_time, attempt_event.event_id collate "C", attempt_event.mention)
    )
