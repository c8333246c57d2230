select
    id as course_id,
    title,
    course_code,
    org_id,
    status,
    date_created,
    date_last_modified
from {{ source('operational', 'one_roster_course') }}
