select
    class_id,
    placement_grade_id as grade_id
from {{ source('operational', 'one_roster_class_grade') }}
