-- int_insight_live as of the last run, a row an insight, in the order of students, then time. Types and their
-- settings are few and seldom change: then everything is recomputed. Never on other servers (stored_servers): the
-- seconds of a session are made from it, insight by insight.
{{ config(
    enabled=var('stored_facts'),
    materialized='incremental',
    meta={
        'key': ['insight_id'],
        'order': ['student_id', 'started_at_time'],
        'indexes': [['student_id'], ['session_id']],
        'live': 'int_insight_live',
        'origins': 'int_insight_origin',
        'made_from': {
            'insights_insight': 'insight_id',
            'insights_session': 'insights_session_id',
            'insights_review': 'review_id',
        },
        'whole_by': ['insights_type', 'insights_config'],
        'students': 'stg_insights_session',
        'stays_on_front': true,
    }
) }}
-- depends_on: {{ ref('int_insight_origin') }}
select
    insight_id,
    student_id,
    session_id,
    slug,
    category,
    is_proctored,
    is_waste,
    is_cheating,
    is_proctoring,
    started_at_time,
    ended_at_time,
    duration_sec,
    reason,
    is_confirmed
from {{ ref('int_insight_live') }}
