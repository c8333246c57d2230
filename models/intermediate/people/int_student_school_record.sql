-- Every record that attaches a student to a school: a role held there, or an enrollment in a class
-- held there. Two records may say the same.
select
    student_id,
    school_id,
    school_name,
    case when is_primary then 'primary_role' else 'secondary_role' end as link_kind,
    begin_date,
    end_date
from {{ ref('int_student_school_role') }}

union all

select
    enrollment.student_id,
    school.school_id,
    school.name as school_name,
    'enrollment' as link_kind,
    enrollment.begin_date,
    enrollment.end_date
from {{ ref('int_student_class_enrollment') }} as enrollment
inner join {{ ref('stg_one_roster_class') }} as class on enrollment.class_id = class.class_id
inner join {{ ref('int_schools') }} as school on class.school_id = school.school_id
