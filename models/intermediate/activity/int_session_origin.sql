-- Which session a session's row or an insights session affects; see int_attempt_origin. The key is a session's own id
-- and names its row in both halves.
{{ config(enabled=var('stored_facts')) }}
select
    session.session_id as id,
    null::uuid as insights_session_id
from {{ ref('stg_caliper_session') }} as session

union all

select
    session.session_id as id,
    insights_session.insights_session_id
from {{ ref('stg_insights_session') }} as insights_session
inner join {{ ref('stg_caliper_session') }} as session on insights_session.session_id = session.session_id
