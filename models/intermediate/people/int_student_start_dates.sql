-- When each student began, by three records that know nothing of each other.
with admission as (
    select
        student_id,
        coalesce(
            min(coalesce(admission_date, begin_date)) filter (where is_primary),
            min(coalesce(admission_date, begin_date))
        ) as admission_date
    from {{ ref('int_student_school_role') }}
    group by student_id
),

enrollment as (
    select
        student_id,
        min(begin_date) as earliest_enrollment_date
    from {{ ref('int_student_class_enrollment') }}
    group by student_id
),

-- a gradebook result that links to a report is one of a MAP assessment; an empty link is none
map_result as (
    select
        student_id,
        {{ date_of('min(score_date)') }} as earliest_map_date
    from {{ ref('stg_one_roster_assessment_result') }}
    where status = 'active' and report_url <> ''
    group by student_id
)

select
    student.id as student_id,
    admission.admission_date,
    enrollment.earliest_enrollment_date,
    map_result.earliest_map_date
from {{ ref('int_students') }} as student
left join admission on student.id = admission.student_id
left join enrollment on student.id = enrollment.student_id
left join map_result on student.id = map_result.student_id
