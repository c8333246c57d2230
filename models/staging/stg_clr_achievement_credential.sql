select
    id as credential_id,
    achievement_id,
    credential_subject_id as student_id,
    {{ within_range('result_value') }} as result_value,
    awarded_date,
    date_last_modified
from {{ source('operational', 'clr_achievement_credential') }}
