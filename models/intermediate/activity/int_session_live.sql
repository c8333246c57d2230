-- Sessions with their flags, computed when they are read. More than one insights_session of a session
-- never multiplies its row: a flag is true when it is true on any of them. The ids of those, at the end, are
-- for int_session_stored.
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
    ) as is_proctored,
    array(
        select insights_session.insights_session_id
        from {{ ref('stg_insights_session') }} as insights_session
        where insights_session.session_id = session.session_id
        order by insights_session.insights_session_id
    ) as insights_session_ids
from {{ ref('stg_caliper_session') }} as session
