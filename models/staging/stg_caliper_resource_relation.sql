select
    source_id as source_resource_id,
    destination_id as destination_resource_id,
    relationship_type,
    item_order
from {{ source('operational', 'caliper_resource_relation') }}
