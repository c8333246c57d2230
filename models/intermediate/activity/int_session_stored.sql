-- int_session_live as of the last run, a row a session, in the order of students, then time.
{{ config(
    enabled=var('stored_facts'),
    materialized='incremental',
    meta={
        'key': ['id'],
        'order': ['student_id', 'start_time'],
        'indexes': [['student_id']],
        'live': 'int_session_live',
        'origins': 'int_session_origin',
        'made_from': {
            'caliper_session': 'id',
            'insights_session': 'insights_session_ids',
        },
        'students': 'stg_caliper_session',
    }
) }}
-- depends_on: {{ ref('int_session_origin') }}
select
    id,
    student_id,
    learning_app_id,
    date,
    start_time,
    end_time,
    duration_sec,
    webcam_enabled,
    is_proctored
from {{ ref('int_session_live') }}
