select
    id as org_id,
    name,
    type as organization_type,
    identifier,
    parent_id,
    status,
    date_created,
    date_last_modified
from {{ source('operational', 'one_roster_organization') }}
