{{ config(severity='warn', group='catalog') }}
with course as (
    {{ curriculum_resources('course') }}
),

subject as (
    {{ curriculum_resources('subject') }}
)

select
    course.id as course_id,
    count(distinct subject.id) as subject_count
from {{ ref('int_resource_containment') }} as containment
inner join course on containment.source_resource_id = course.id
inner join subject on containment.destination_resource_id = subject.id
group by course.id
having count(distinct subject.id) > 1
