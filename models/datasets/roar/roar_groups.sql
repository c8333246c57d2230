select
    id,
    name,
    family_id,
    parent_org_id,
    parent_org_type
from {{ ref('int_roar_groups') }}
