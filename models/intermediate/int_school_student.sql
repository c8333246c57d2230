-- Which students a school has: each once, however and whenever they are attached to it.
select distinct
    school_id,
    student_id
from {{ ref('int_student_school') }}
