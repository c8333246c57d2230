-- The student roles that are held at a school, whatever their status or dates.
select
    held.role_id,
    held.user_id as student_id,
    held.org_id as school_id,
    school.name as school_name,
    held.role_type = 'primary' as is_primary,
    held.begin_date,
    held.end_date,
    held.admission_date
from {{ ref('stg_one_roster_role') }} as held
inner join {{ ref('int_schools') }} as school on held.org_id = school.school_id
where held.role = 'student'
