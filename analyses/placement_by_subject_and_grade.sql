select
    case_subjects.title as subject,
    grades.label as grade,
    grades.order_number as grade_order,
    count(distinct placement_results.student_id) as students
from {{ ref('placement_results') }}
inner join {{ ref('case_subjects') }} on placement_results.subject_id = case_subjects.id
inner join {{ ref('grades') }} on placement_results.grade_id = grades.id
group by case_subjects.id, case_subjects.title, grades.id, grades.label, grades.order_number
order by subject, grade_order
