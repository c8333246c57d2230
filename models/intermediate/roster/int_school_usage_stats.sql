-- What a school's students used and wasted together, whatever the dates of their attachment. A school
-- without students has no row. Added up student by student, so that one school reads its own students' rows.
select
    school_student.school_id,
    coalesce(sum(app_time.app_time_sec), 0) as total_app_time_sec,
    coalesce(sum(waste_time.waste_time_sec), 0) as total_waste_time_sec
from {{ ref('int_school_student') }} as school_student
cross join
    lateral (
        select sum(session.duration_sec) as app_time_sec
        from {{ ref('stg_caliper_session') }} as session
        where session.student_id = school_student.student_id
    ) as app_time
cross join
    lateral (
        select sum(insight.waste_duration_sec) as waste_time_sec
        from {{ ref('int_waste_insights') }} as insight
        where insight.student_id = school_student.student_id
    ) as waste_time
group by school_student.school_id
