-- Where each student stands in each subject. A grade counts once the placement is completed; one
-- that the source keeps from an earlier round, or writes down early, is not shown before.
select
    student_id,
    subject_id,
    case when placement_status = 'Completed' then grade_id end as grade_id,
    placement_status,
    last_updated
from {{ ref('stg_placement_student_subject_placement') }}
