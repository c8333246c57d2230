select
    id as enrollment_id,
    user_id,
    class_id,
    role,
    "primary" as is_primary,
    begin_date,
    end_date,
    status,
    date_created,
    date_last_modified
from {{ source('operational', 'one_roster_enrollment') }}
