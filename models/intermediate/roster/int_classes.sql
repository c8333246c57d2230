-- The classes with their course, their school, their subjects and their grades.
select
    class.class_id,
    class.title,
    class.class_code,
    class.class_type,
    -- curriculum courses have ids that are not UUIDs, so a course id is text in every dataset
    class.course_id::text as course_id,
    course.title as course_title,
    class.school_id,
    organization.name as school_name,
    class.status,
    taught.subject_ids,
    taught.grade_ids
from {{ ref('stg_one_roster_class') }} as class
inner join {{ ref('int_class_subject_and_grade') }} as taught on class.class_id = taught.class_id
left join {{ ref('stg_one_roster_course') }} as course on class.course_id = course.course_id
left join {{ ref('stg_one_roster_organization') }} as organization on class.school_id = organization.org_id
