-- Question attempts rolled up to session and student.
select
    attempt.session_id,
    attempt.student_id,
    {{ date_of('min(attempt.start_time)') }} as date,
    count(attempt.is_correct) as total_questions_answered,
    count(*) filter (where attempt.is_correct) as total_questions_correct,
    round(avg(attempt.duration_sec)) as avg_duration_sec
from {{ ref('int_attempts') }} as attempt
inner join {{ ref('stg_caliper_assessment_item') }} as question on attempt.resource_id = question.question_id
where attempt.session_id is not null
group by attempt.session_id, attempt.student_id
