select
    school.school_id as id,
    school.name,
    school.identifier,
    school.parent_id,
    school.parent_name,
    school.status,
    coalesce(counted.student_count, 0) as student_count
from {{ ref('int_schools') }} as school
left join {{ ref('int_school_student_count') }} as counted on school.school_id = counted.school_id
