{{ config(group='catalog') }}
with school_student as (
    select distinct
        school_id,
        student_id
    from {{ ref('student_schools') }}
),

app_time as (
    select
        student_id,
        sum(duration_sec) as app_time_sec
    from {{ ref('sessions') }}
    group by student_id
),

waste_time as (
    select
        sessions.student_id,
        sum(waste_insights.waste_duration_sec) as waste_time_sec
    from {{ ref('waste_insights') }} as waste_insights
    inner join {{ ref('sessions') }} as sessions on waste_insights.session_id = sessions.id
    group by sessions.student_id
),

-- sessions of which Caliper and the insights tell different students, and insights without a session
disputed_session as (
    select
        insights_session.student_id,
        sessions.student_id as caliper_student_id
    from {{ ref('stg_insights_session') }} as insights_session
    left join {{ ref('sessions') }} as sessions on insights_session.session_id = sessions.id
    where insights_session.student_id is distinct from sessions.student_id
),

disputed_student as (
    select student_id
    from disputed_session
    union
    select caliper_student_id
    from disputed_session
),

expected as (
    select
        schools.id as school_id,
        count(school_student.student_id) as student_count,
        coalesce(sum(app_time.app_time_sec), 0) as total_app_time_sec,
        coalesce(sum(waste_time.waste_time_sec), 0) as total_waste_time_sec,
        coalesce(bool_or(disputed_student.student_id is not null), false) as is_disputed
    from {{ ref('schools') }} as schools
    left join school_student on schools.id = school_student.school_id
    left join app_time on school_student.student_id = app_time.student_id
    left join waste_time on school_student.student_id = waste_time.student_id
    left join disputed_student on school_student.student_id = disputed_student.student_id
    group by schools.id
)

select
    coalesce(expected.school_id, school_usage_stats.school_id) as school_id,
    expected.student_count as expected_student_count,
    school_usage_stats.student_count,
    expected.total_app_time_sec as expected_app_time_sec,
    school_usage_stats.total_app_time_sec,
    expected.total_waste_time_sec as expected_waste_time_sec,
    school_usage_stats.total_waste_time_sec
from expected
full outer join {{ ref('school_usage_stats') }} as school_usage_stats on expected.school_id = school_usage_stats.school_id
where
    expected.student_count is distinct from school_usage_stats.student_count
    or expected.total_app_time_sec is distinct from school_usage_stats.total_app_time_sec
    or (
        not coalesce(expected.is_disputed, false)
        and expected.total_waste_time_sec is distinct from school_usage_stats.total_waste_time_sec
    )
