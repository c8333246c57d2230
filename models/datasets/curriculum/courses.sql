-- The roster's course_id leads here too, so a roster course that the curriculum does not know is a row.
-- "not materialized": named twice, the CTE would otherwise be built in full before a filter on id meets it.
with curriculum_course as not materialized (
    {{ curriculum_resources('course') }}
),

roster_only_course as (
    select
        roster_course.course_id::text as id,
        roster_course.title
    from {{ ref('stg_one_roster_course') }} as roster_course
    where not exists (
        select 1 from curriculum_course
        where curriculum_course.id = roster_course.course_id::text
    )
)

select
    curriculum_course.id,
    course_subject.subject_id,
    curriculum_course.title
from curriculum_course
left join {{ ref('int_course_subject') }} as course_subject on curriculum_course.id = course_subject.course_id

union all

select
    id,
    null as subject_id,
    {{ resource_title('title', 'null::text') }} as title
from roster_only_course
