-- The session of an attempt: that of its earliest event with one.
select
    attempt_event.attempt_id,
    attempt_event.session_id
from {{ ref('int_attempt_event') }} as attempt_event
where
    not exists (
        select
        from {{ ref('int_attempt_event') }} as earlier
        where
            earlier.attempt_id = attempt_event.attempt_id
            and {{ is_earlier_event('earlier', 'attempt_event') }}
    )
