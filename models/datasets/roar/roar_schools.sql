select
    id,
    name,
    abbreviation,
    district_id,
    class_ids
from {{ ref('int_roar_schools') }}
