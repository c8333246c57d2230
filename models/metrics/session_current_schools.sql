-- for what knows its session and not its student
select
    sessions.id as session_id,
    student_current_schools.school_id,
    student_current_schools.school_name
from {{ ref('sessions') }}
inner join {{ ref('student_current_schools') }} on sessions.student_id = student_current_schools.student_id
