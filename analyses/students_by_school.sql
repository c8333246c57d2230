-- a student counts in each school that the student belongs to today
select
    student_schools.school_name as school,
    count(distinct student_schools.student_id) as students
from {{ ref('student_schools') }}
where
    (student_schools.begin_date is null or student_schools.begin_date <= current_date)
    and (student_schools.end_date is null or student_schools.end_date > current_date)
group by student_schools.school_id, student_schools.school_name
order by students desc, school
limit 20
