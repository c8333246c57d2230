select
    questions.id as question_id,
    questions.title as question,
    count(*) as answers,
    round(avg(attempts.is_correct::int), 3) as share_correct
from {{ ref('attempts') }}
inner join {{ ref('questions') }} on attempts.resource_id = questions.id
where attempts.is_correct is not null
group by questions.id, questions.title
having count(*) >= 10
order by share_correct, questions.id
limit 15
