-- Which students a school has: each once, however and whenever they are attached to it.
-- Read from the records: two columns of them are far fewer to tell apart than whole attachments.
select distinct
    school_id,
    student_id
from {{ ref('int_student_school_record') }}
