select
    id as resource_id,
    {{ resource_title('name', 'description') }} as title,
    media_type
from {{ source('operational', 'caliper_assignable_digital_resource') }}
