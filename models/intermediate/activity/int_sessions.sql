-- Sessions with their flags. More than one insights_session of a session never multiplies its row: a
-- flag is true when it is true on any of them.
select
    session.session_id as id,
    session.student_id,
    session.learning_app_id,
    session.date,
    session.start_time,
    session.end_time,
    session.duration_sec,
    exists(
        select 1
        from {{ ref('stg_insights_session') }} as insights_session
        where insights_session.session_id = session.session_id and insights_session.webcam_enabled
    ) as webcam_enabled,
    exists(
        select 1
        from {{ ref('stg_insights_session') }} as insights_session
        where insights_session.session_id = session.session_id and insights_session.is_proctored
    ) as is_proctored
from {{ ref('stg_caliper_session') }} as session
