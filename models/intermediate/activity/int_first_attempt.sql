-- The first attempt of a student on a resource: the earliest start, then the lowest count, then the
-- lowest id; a missing start or count comes last. "No earlier one exists", rather than DISTINCT ON,
-- becomes index lookups for one student and hash joins for everybody, and lets every filter through.
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
            and (
                earlier.start_time is null,
                coalesce(earlier.start_time, 'infinity'),
                earlier.attempt_count is null,
                coalesce(earlier.attempt_count, 0),
                earlier.attempt_id collate "C"
            ) < (
                attempt.start_time is null,
                coalesce(attempt.start_time, 'infinity'),
                attempt.attempt_count is null,
                coalesce(attempt.attempt_count, 0),
                attempt.attempt_id collate "C"
            )
    )
