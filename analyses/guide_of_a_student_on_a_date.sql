-- put the day in once, here
with asked as (select date '2026-03-16' as day)

select
    student_guides.student_name,
    student_guides.guide_name,
    student_guides.relationship_type
from {{ ref('student_guides') }}
cross join asked
where
    (student_guides.begin_date is null or student_guides.begin_date <= asked.day)
    and (student_guides.end_date is null or student_guides.end_date > asked.day)
order by student_guides.student_name, student_guides.guide_name
