select
    id as xp_ledger_id,
    user_id as student_id,
    application_id as learning_app_id,
    source_event_id,
    {{ within_range('value') }} as value,
    date_generated,
    date_created,
    {{ date_of('date_created') }} as date
from {{ source('operational', 'tb_xp_ledger') }}
