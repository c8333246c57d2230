-- one row for each student and school of today: of two attachments to a school, one would double the waste
select
    student_current_schools.school_name,
    round(sum(sessions_waste.waste_duration_sec) / 60) as minutes_wasted
from {{ ref('student_current_schools') }}
inner join {{ ref('sessions') }} on student_current_schools.student_id = sessions.student_id
inner join {{ ref('sessions_waste') }} on sessions.id = sessions_waste.session_id
where
    sessions.date >= date_trunc('week', current_date)::date - 7
    and sessions.date < date_trunc('week', current_date)::date
group by student_current_schools.school_id, student_current_schools.school_name
order by minutes_wasted desc
