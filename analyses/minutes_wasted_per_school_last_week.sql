-- one row for each student and school, however many attachments there are: else waste counts several times
with belonging as (
    select distinct
        student_schools.student_id,
        student_schools.school_id,
        student_schools.school_name
    from {{ ref('student_schools') }}
    where
        (student_schools.begin_date is null or student_schools.begin_date <= current_date)
        and (student_schools.end_date is null or student_schools.end_date > current_date)
)

select
    belonging.school_name,
    round(sum(sessions_waste.waste_duration_sec) / 60) as minutes_wasted
from belonging
inner join {{ ref('sessions') }} on belonging.student_id = sessions.student_id
inner join {{ ref('sessions_waste') }} on sessions.id = sessions_waste.session_id
where
    sessions.date >= date_trunc('week', current_date)::date - 7
    and sessions.date < date_trunc('week', current_date)::date
group by belonging.school_id, belonging.school_name
order by minutes_wasted desc
