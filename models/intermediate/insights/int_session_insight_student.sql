-- Whose session a Caliper session is, as far as its insights go: the student of its insight session
-- with the lowest id, whether or not that one has insights.
select
    first_session.session_id,
    first_session.student_id,
    first_session.insights_session_id
from {{ ref('stg_insights_session') }} as first_session
where not exists (
    select 1
    from {{ ref('stg_insights_session') }} as earlier
    where
        first_session.session_id = earlier.session_id
        and first_session.insights_session_id > earlier.insights_session_id
)
