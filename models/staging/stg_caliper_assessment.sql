select
    id as test_id,
    {{ resource_title('name', 'description') }} as title
from {{ source('operational', 'caliper_assessment') }}
