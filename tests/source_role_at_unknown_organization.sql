{{ config(severity='warn', group='catalog') }}
select
    held.role_id,
    held.user_id,
    held.org_id,
    held.role
from {{ ref('stg_one_roster_role') }} as held
where not exists (
    select from {{ ref('stg_one_roster_organization') }} as organization
    where organization.org_id = held.org_id
)
