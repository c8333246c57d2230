select
    insight_type_id,
    requires_review
from {{ source('operational', 'insights_config') }}
