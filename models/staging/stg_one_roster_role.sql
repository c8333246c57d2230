select
    id as role_id,
    user_id,
    org_id,
    role,
    role_type,
    begin_date,
    end_date,
    admission_date,
    status,
    date_created,
    date_last_modified
from {{ source('operational', 'one_roster_role') }}
