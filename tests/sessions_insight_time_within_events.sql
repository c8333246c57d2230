with event_time as (
    select
        'cheating' as kind,
        session_id,
        started_at_time,
        ended_at_time
    from {{ ref('cheating_insights') }}
    union all
    select
        'proctoring' as kind,
        session_id,
        started_at_time,
        ended_at_time
    from {{ ref('proctoring_insights') }}
    union all
    select
        'waste' as kind,
        session_id,
        started_at_time,
        ended_at_time
    from {{ ref('waste_insights') }}
),

event_total as (
    select
        kind,
        session_id,
        round(sum({{ seconds_between('started_at_time', 'ended_at_time') }})) as event_sec
    from event_time
    group by kind, session_id
),

session_total as (
    select
        'cheating' as kind,
        session_id,
        cheating_duration_sec as session_sec
    from {{ ref('sessions_cheating') }}
    union all
    select
        'proctoring' as kind,
        session_id,
        proctoring_duration_sec as session_sec
    from {{ ref('sessions_proctoring') }}
    union all
    select
        'waste' as kind,
        session_id,
        waste_duration_sec as session_sec
    from {{ ref('sessions_waste') }}
)

select
    session_total.kind,
    session_total.session_id,
    session_total.session_sec,
    event_total.event_sec
from session_total
left join event_total on session_total.kind = event_total.kind and session_total.session_id = event_total.session_id
where session_total.session_sec > coalesce(event_total.event_sec, 0)
