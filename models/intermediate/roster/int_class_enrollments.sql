-- The enrollments of students with the class that each is in. An enrollment in a class without a
-- row stays: the roster may still say what the class teaches.
select
    enrollment.enrollment_id,
    enrollment.student_id,
    enrollment.class_id,
    coalesce({{ text_or_null('class.title') }}, 'N/A') as class_title,
    class.course_id,
    class.course_title,
    class.school_id,
    class.school_name,
    enrollment.role,
    coalesce(enrollment.is_primary, false) as is_primary,
    enrollment.begin_date,
    enrollment.end_date,
    enrollment.status,
    coalesce(class.subject_ids, {{ class_contents('subject', 'enrollment.class_id') }}) as subject_ids,
    coalesce(class.grade_ids, {{ class_contents('grade', 'enrollment.class_id') }}) as grade_ids
from {{ ref('int_student_class_enrollment') }} as enrollment
left join {{ ref('int_classes') }} as class on enrollment.class_id = class.class_id
