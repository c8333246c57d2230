select
    id as class_id,
    title,
    class_code,
    class_type,
    course_id,
    school_id,
    status,
    date_created,
    date_last_modified
from {{ source('operational', 'one_roster_class') }}
