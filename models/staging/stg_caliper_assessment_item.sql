select
    id as question_id,
    {{ resource_title('name', 'description') }} as title,
    media_type as type
from {{ source('operational', 'caliper_assessment_item') }}
