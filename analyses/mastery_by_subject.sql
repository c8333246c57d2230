select
    students.name as student,
    case_subjects.title as subject,
    curriculum_items.curriculum_item_title as course,
    max(students_mastery.mastery_percentage) as best
from {{ ref('students_mastery') }}
inner join {{ ref('students') }} on students_mastery.student_id = students.id
inner join {{ ref('curriculum_items') }}
    on students_mastery.curriculum_item_id = curriculum_items.curriculum_item_id
inner join {{ ref('case_courses') }} on curriculum_items.curriculum_item_id = case_courses.id
inner join {{ ref('case_subjects') }} on case_courses.case_subject_id = case_subjects.id
group by students.id, students.name, case_subjects.id, case_subjects.title, curriculum_items.curriculum_item_title
order by student, subject, course
