{{ config(severity='warn', group='catalog') }}
select
    session_id,
    count(distinct student_id) as student_count
from {{ ref('stg_insights_session') }}
group by session_id
having count(distinct student_id) > 1
