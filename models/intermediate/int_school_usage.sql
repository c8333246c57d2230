-- What a school's students used and wasted together, whatever the dates of their attachment. A school
-- whose students have neither sessions nor waste is no row.
select
    school_student.school_id,
    sum(student_usage.app_time_sec) as total_app_time_sec,
    sum(student_usage.waste_time_sec) as total_waste_time_sec
from {{ ref('int_school_student') }} as school_student
inner join {{ ref('int_student_usage') }} as student_usage on school_student.student_id = student_usage.student_id
group by school_student.school_id
