-- The names of the organizations, of whatever type, that a student holds a student role in.
-- A role at an organization without a row keeps its place, with an empty name.
select distinct
    held.user_id as student_id,
    coalesce(organization.name, '') as organization_name
from {{ ref('stg_one_roster_role') }} as held
left join {{ ref('stg_one_roster_organization') }} as organization on held.org_id = organization.org_id
where held.role = 'student'
