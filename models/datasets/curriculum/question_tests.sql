select distinct
    question.question_id,
    test.test_id
from {{ ref('int_resource_containment') }} as containment
inner join {{ ref('stg_caliper_assessment_item') }} as question
    on containment.source_resource_id = question.question_id
inner join {{ ref('stg_caliper_assessment') }} as test
    on containment.destination_resource_id = test.test_id
