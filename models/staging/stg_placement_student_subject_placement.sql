select
    id as placement_id,
    student_id,
    subject_id,
    grade_id,
    coalesce(status, 'NotStarted') as placement_status,
    date_last_modified as last_updated
from {{ source('operational', 'placement_student_subject_placement') }}
