select
    id as insights_session_id,
    caliper_session_id as session_id,
    user_id as student_id,
    application_id as learning_app_id,
    coalesce(webcam_enabled, false) as webcam_enabled,
    coalesce(is_proctored, false) as is_proctored,
    date_last_modified
from {{ source('operational', 'insights_session') }}
