select
    class_id as id,
    title,
    class_code,
    class_type,
    course_id,
    course_title,
    school_id,
    school_name,
    status,
    subject_ids,
    grade_ids
from {{ ref('int_classes') }}
