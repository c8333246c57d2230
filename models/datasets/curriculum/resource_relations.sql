select
    source_resource_id,
    destination_resource_id,
    relationship_type,
    item_order
from {{ ref('stg_caliper_resource_relation') }}
