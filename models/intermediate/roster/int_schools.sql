-- The organizations that are schools, each with the name of the organization above it.
select
    school.org_id as school_id,
    school.name,
    school.identifier,
    school.parent_id,
    parent.name as parent_name,
    school.status
from {{ ref('stg_one_roster_organization') }} as school
left join {{ ref('stg_one_roster_organization') }} as parent on school.parent_id = parent.org_id
where school.organization_type = 'school'
