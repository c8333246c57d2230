select
    id as assessment_result_id,
    student_id,
    assessment_line_item_id,
    status,
    score_status,
    score,
    score_date,
    report_url,
    date_created,
    date_last_modified
from {{ source('operational', 'one_roster_assessment_result') }}
