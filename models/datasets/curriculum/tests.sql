select
    test_id as id,
    title
from {{ ref('stg_caliper_assessment') }}
