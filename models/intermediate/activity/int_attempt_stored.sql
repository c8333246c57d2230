-- int_attempt_live as of the last run, a row a student and resource, in the order of students, then time: what
-- the scope fetches of one student lies together. Which attempts, scores and events affect which rows is in
-- int_attempt_origin.
{{ config(
    enabled=var('stored_facts'),
    materialized='incremental',
    meta={
        'key': ['student_id', 'resource_id'],
        'order': ['student_id', 'start_time'],
        'indexes': [['student_id'], ['session_id']],
        'live': 'int_attempt_live',
        'origins': 'int_attempt_origin',
        'made_from': {
            'caliper_attempt': 'attempt_id',
            'caliper_score': 'score_id',
            'caliper_event': 'event_id',
        },
        'affects_several': ['caliper_event'],
        'students': 'stg_caliper_attempt',
    }
) }}
-- depends_on: {{ ref('int_attempt_origin') }}
select
    student_id,
    resource_id,
    session_id,
    date,
    start_time,
    end_time,
    duration_sec,
    is_correct
from {{ ref('int_attempt_live') }}
