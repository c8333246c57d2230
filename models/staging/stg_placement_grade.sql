select
    id as grade_id,
    grade_primary_identifier as grade_identifier,
    label,
    order_number
from {{ source('operational', 'placement_grade') }}
