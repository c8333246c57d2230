select
    date_trunc('week', attempts.date)::date as week,
    count(*) as questions_answered,
    round(avg(attempts.is_correct::int), 3) as share_correct
from {{ ref('attempts') }}
where
    attempts.is_correct is not null
    and attempts.date is not null
group by week
order by week
