-- How and when students are attached to schools: records that say the same are one attachment.
select distinct
    student_id,
    school_id,
    school_name,
    link_kind,
    begin_date,
    end_date
from {{ ref('int_student_school_record') }}
