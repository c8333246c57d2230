select distinct
    test.test_id,
    parent.resource_id as parent_id,
    parent.media_type as parent_type
from {{ ref('int_resource_containment') }} as containment
inner join {{ ref('stg_caliper_assessment') }} as test
    on containment.source_resource_id = test.test_id
inner join {{ ref('stg_caliper_assignable_digital_resource') }} as parent
    on containment.destination_resource_id = parent.resource_id
