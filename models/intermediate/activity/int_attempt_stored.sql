-- int_attempt_live as of the last run, a row a student and resource, in the order of students: what the
-- scope fetches of one student lies together. Which attempts, scores and events affect which rows is
-- in int_attempt_origin.
{{ config(
    enabled=var('stored_facts'),
    materialized='incremental',
    unique_key=['student_id', 'resource_id'],
    meta={
        'live': 'int_attempt_live',
        'origins': 'int_attempt_origin',
        'made_from': {
            'caliper_attempt': 'attempt_id',
            'caliper_score': 'score_id',
            'caliper_event': 'event_id',
        },
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
    is_correct,
    attempt_id,
    score_id,
    event_id
from {{ ref('int_attempt_live') }}
