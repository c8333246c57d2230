-- int_session_insight_time_live as of the last run, a row a session, in the order of students. It is made from the
-- insights that are stored already, which change with each refresh as operational rows do.
{{ config(
    enabled=var('stored_facts'),
    materialized='incremental',
    meta={
        'key': ['session_id'],
        'order': ['student_id', 'session_id'],
        'indexes': [['student_id']],
        'live': 'int_session_insight_time_live',
        'origins': 'int_session_insight_time_origin',
        'made_from': {
            'insights_session': 'insights_session_id',
            'int_insight_stored': 'insight_ids',
        },
        'students': 'stg_insights_session',
    }
) }}
-- depends_on: {{ ref('int_session_insight_time_origin') }}
select
    student_id,
    session_id,
    waste_sec,
    cheating_sec,
    proctoring_sec
from {{ ref('int_session_insight_time_live') }}
