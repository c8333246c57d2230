select
    id,
    name,
    created_at,
    last_updated,
    test_data
from {{ ref('int_roar_families') }}
