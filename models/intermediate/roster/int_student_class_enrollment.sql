-- The enrollments of students in classes, whatever their status or dates.
select
    enrollment_id,
    user_id as student_id,
    class_id,
    role,
    is_primary,
    begin_date,
    end_date,
    status
from {{ ref('stg_one_roster_enrollment') }}
where role = 'student'
