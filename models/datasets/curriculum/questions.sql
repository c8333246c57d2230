select
    question_id as id,
    title,
    type
from {{ ref('stg_caliper_assessment_item') }}
