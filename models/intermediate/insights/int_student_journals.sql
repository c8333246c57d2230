-- What students wrote in their journals. The type's visibility alone decides: neither is_visible nor
-- reviews are asked, and an entry has no end that could be malformed.
select
    insight_id as id,
    student_id,
    session_id,
    learning_app_id,
    reason as journal_text,
    {{ date_of('started_at_time') }} as date,
    started_at_time as timestamp
from {{ ref('int_external_insight') }}
where slug = 'Journal'
