-- from each resource up to whatever contains it; union, not union all, so that a circle ends
with recursive containers as (
    select distinct
        attempts.resource_id,
        attempts.resource_id as container_id
    from {{ ref('attempts') }}
    union
    select
        containers.resource_id,
        resource_relations.destination_resource_id as container_id
    from containers
    inner join {{ ref('resource_relations') }} on containers.container_id = resource_relations.source_resource_id
    where resource_relations.relationship_type = 'isPartOf'
),

-- a resource of two courses of one subject counts once
resource_subjects as (
    select distinct
        containers.resource_id,
        subjects.title as subject
    from containers
    inner join {{ ref('courses') }} on containers.container_id = courses.id
    inner join {{ ref('subjects') }} on courses.subject_id = subjects.id
)

select
    resource_subjects.subject,
    count(*) as questions_answered,
    count(*) filter (where attempts.is_correct) as questions_correct,
    round(avg(attempts.is_correct::int), 3) as share_correct
from {{ ref('attempts') }}
inner join resource_subjects on attempts.resource_id = resource_subjects.resource_id
where attempts.is_correct is not null
group by resource_subjects.subject
having count(*) >= 10
order by share_correct desc
