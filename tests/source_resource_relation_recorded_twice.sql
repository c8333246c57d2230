{{ config(severity='warn', group='catalog') }}
select
    source_resource_id,
    destination_resource_id,
    relationship_type,
    count(*) as relation_count
from {{ ref('stg_caliper_resource_relation') }}
group by source_resource_id, destination_resource_id, relationship_type
having count(*) > 1
