-- The one subject of each curriculum course that has one. A course in several keeps the subject
-- that lists it first; a place that is not recorded comes last, and the lowest subject id settles a tie.
with course as (
    {{ curriculum_resources('course') }}
),

subject as (
    {{ curriculum_resources('subject') }}
)

select distinct on (containment.source_resource_id)
    containment.source_resource_id as course_id,
    containment.destination_resource_id as subject_id
from {{ ref('int_resource_containment') }} as containment
inner join course on containment.source_resource_id = course.id
inner join subject on containment.destination_resource_id = subject.id
order by
    containment.source_resource_id,
    containment.item_order asc nulls last,
    containment.destination_resource_id collate "C"
