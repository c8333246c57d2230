select
    id,
    name,
    school_id,
    district_id,
    grade,
    school_level,
    subject,
    tags,
    demo_data,
    test_data
from {{ ref('int_roar_classes') }}
