-- one row for each student and school, however many attachments there are: else a metric by school counts several times
select distinct
    student_schools.student_id,
    student_schools.school_id,
    student_schools.school_name
from {{ ref('student_schools') }}
where
    (student_schools.begin_date is null or student_schools.begin_date <= {{ today() }})
    and (student_schools.end_date is null or student_schools.end_date > {{ today() }})
