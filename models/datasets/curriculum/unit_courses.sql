with unit as (
    {{ curriculum_resources('unit') }}
),

course as (
    {{ curriculum_resources('course') }}
)

select distinct
    unit.id as unit_id,
    course.id as course_id
from {{ ref('int_resource_containment') }} as containment
inner join unit on containment.source_resource_id = unit.id
inner join course on containment.destination_resource_id = course.id
