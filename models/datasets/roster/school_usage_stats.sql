select
    school.school_id,
    school.name as school_name,
    coalesce(counted.student_count, 0) as student_count,
    coalesce(school_usage.total_app_time_sec, 0) as total_app_time_sec,
    coalesce(school_usage.total_waste_time_sec, 0) as total_waste_time_sec
from {{ ref('int_schools') }} as school
left join {{ ref('int_school_student_count') }} as counted on school.school_id = counted.school_id
left join {{ ref('int_school_usage_stats') }} as school_usage on school.school_id = school_usage.school_id
