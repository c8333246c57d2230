select
    grade_id as id,
    grade_identifier,
    label,
    order_number
from {{ ref('stg_placement_grade') }}
