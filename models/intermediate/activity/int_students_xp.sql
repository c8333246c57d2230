-- XP by student, application, session and day. The session is that of the ledger entry's own event.
select
    student_id,
    learning_app_id,
    session_id,
    date,
    sum(value) as total_value
from {{ ref('int_xp_entry') }}
group by student_id, learning_app_id, session_id, date
