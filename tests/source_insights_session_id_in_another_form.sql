{{ config(severity='warn', group='catalog') }}
select
    insights_session.insights_session_id,
    insights_session.session_id as recorded_session_id,
    session.session_id as meant_session_id
from {{ ref('stg_insights_session') }} as insights_session
inner join {{ ref('stg_caliper_session') }} as session
    on session.session_id in (
        'urn:uuid:' || insights_session.session_id,
        regexp_replace(insights_session.session_id, '^urn:uuid:', '')
    )
where not exists (
    select 1
    from {{ ref('stg_caliper_session') }} as recorded
    where insights_session.session_id = recorded.session_id
)
