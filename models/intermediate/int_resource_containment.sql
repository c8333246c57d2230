-- What is contained in what: one row for each pair that an 'isPartOf' relation records. A pair that
-- is recorded twice counts once, at its lowest place; a place that is not recorded comes last.
select
    source_resource_id,
    destination_resource_id,
    min(item_order) as item_order
from {{ ref('stg_caliper_resource_relation') }}
where relationship_type = 'isPartOf'
group by source_resource_id, destination_resource_id
