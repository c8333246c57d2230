{{ config(severity='warn', group='catalog') }}
select
    insights_session.insights_session_id,
    insights_session.session_id,
    insights_session.student_id,
    session.student_id as caliper_student_id
from {{ ref('stg_insights_session') }} as insights_session
inner join {{ ref('stg_caliper_session') }} as session on insights_session.session_id = session.session_id
where insights_session.student_id is distinct from session.student_id
