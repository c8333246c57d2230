-- How many students a school has. A school without any has no row.
select
    school_id,
    count(*) as student_count
from {{ ref('int_school_student') }}
group by school_id
