-- The first attempt of a student on a resource: the earliest start, then the lowest count, then the
-- lowest id. A missing start or count comes last.
select
    attempt.attempt_id,
    attempt.student_id,
    attempt.resource_id,
    attempt.start_time,
    attempt.end_time,
    attempt.client_duration
from {{ ref('stg_caliper_attempt') }} as attempt
where
    not exists (
        select
        from {{ ref('stg_caliper_attempt') }} as earlier
        where
            earlier.student_id = attempt.student_id
            and earlier.resource_id = attempt.resource_id
            and {{ place_in_line_of_attempts('earlier') }} < {{ place_in_line_of_attempts('attempt') }}
    )
