-- The courses that students take: their enrollments in the classes of one course, rolled up.
select
    enrollment.student_id,
    class.course_id,
    class.course_title,
    coalesce(
        array_agg(distinct class.school_id order by class.school_id) filter (where class.school_id is not null),
        '{}'
    ) as school_ids,
    coalesce(
        array_agg(distinct class_subject.subject_id order by class_subject.subject_id)
        filter (where class_subject.subject_id is not null),
        '{}'
    ) as subject_ids,
    min(enrollment.begin_date) as begin_date,
    -- one enrollment without an end keeps the course going
    case when bool_and(enrollment.end_date is not null) then max(enrollment.end_date) end as end_date,
    bool_or(enrollment.is_primary) as has_primary,
    count(distinct enrollment.class_id) as class_count
from {{ ref('int_student_class_enrollment') }} as enrollment
inner join {{ ref('int_classes') }} as class on enrollment.class_id = class.class_id
-- repeats an enrollment for each subject of its class, which none of the measures minds; unnesting
-- the arrays of int_classes instead would compute them again for each enrollment
left join {{ ref('stg_one_roster_class_subject') }} as class_subject on class.class_id = class_subject.class_id
where class.course_id is not null
group by
    enrollment.student_id,
    class.course_id,
    class.course_title
