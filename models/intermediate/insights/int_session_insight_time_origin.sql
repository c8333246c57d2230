-- Which session a stored insight or an insights session affects; see int_attempt_origin.
{{ config(enabled=var('stored_facts')) }}
select
    session_id,
    insight_id,
    null::uuid as insights_session_id
from {{ ref('int_insight_stored') }}

union all

select
    session_id,
    null::uuid as insight_id,
    insights_session_id
from {{ ref('stg_insights_session') }}
