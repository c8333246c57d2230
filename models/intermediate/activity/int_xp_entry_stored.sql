-- int_xp_entry_live as of the last run, a row a ledger entry, in the order of students.
{{ config(
    enabled=var('stored_facts'),
    materialized='incremental',
    unique_key=['student_id', 'xp_ledger_id'],
    meta={
        'live': 'int_xp_entry_live',
        'origins': 'int_xp_entry_origin',
        'made_from': {
            'tb_xp_ledger': 'xp_ledger_id',
            'caliper_event': 'event_id',
        },
    }
) }}
-- depends_on: {{ ref('int_xp_entry_origin') }}
select
    student_id,
    learning_app_id,
    session_id,
    date,
    value,
    xp_ledger_id,
    event_id
from {{ ref('int_xp_entry_live') }}
