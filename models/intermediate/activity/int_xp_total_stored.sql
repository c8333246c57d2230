-- int_xp_total_live as of the last run, in the order of students, then time. A student's day is recomputed as a
-- whole: it has a row for each application and session.
{{ config(
    enabled=var('stored_facts'),
    materialized='incremental',
    meta={
        'key': ['student_id', 'day'],
        'order': ['student_id', 'day'],
        'indexes': [['session_id']],
        'live': 'int_xp_total_live',
        'origins': 'int_xp_total_origin',
        'made_from': {
            'tb_xp_ledger': 'xp_ledger_ids',
            'caliper_event': 'event_ids',
        },
        'students': 'stg_tb_xp_ledger',
    }
) }}
-- depends_on: {{ ref('int_xp_total_origin') }}
select
    student_id,
    learning_app_id,
    session_id,
    date,
    total_value,
    day
from {{ ref('int_xp_total_live') }}
