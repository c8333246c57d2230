-- A subquery and not a CTE, here and wherever one student's rows are joined to people: Postgres merges the
-- one into the query around it, so that the join reaches the index, and not the other.
select
    id as session_id,
    user_id as student_id,
    client_id as learning_app_id,
    {{ date_of('started_at_time') }} as date,
    started_at_time as start_time,
    ended_at_time as end_time,
    {{ whole_seconds('started_at_time', 'ended_at_time') }} as duration_sec,
    date_created,
    date_last_modified
from (
    select
        id,
        user_id,
        client_id,
        started_at_time,
        -- an end before the start is malformed: the session counts as never properly closed
        case when ended_at_time >= started_at_time then ended_at_time end as ended_at_time,
        date_created,
        date_last_modified
    from {{ source('operational', 'caliper_session') }}
) as closed_session
