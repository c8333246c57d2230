-- of several runs of a person and task in a week, the last one counts
with last_runs as (
    select distinct on (roar_user_runs.user_id, roar_user_runs.task_id, week)
        roar_user_runs.task_id,
        date_trunc('week', roar_user_runs.time_started at time zone 'UTC')::date as week,
        roar_user_runs.computed_composite
    from {{ ref('roar_user_runs') }}
    where
        roar_user_runs.time_started is not null
        and roar_user_runs.computed_composite is not null
    order by roar_user_runs.user_id, roar_user_runs.task_id, week, roar_user_runs.time_started desc
)

select
    last_runs.task_id as task,
    last_runs.week,
    count(*) as people,
    round(avg(last_runs.computed_composite)) as mean_score
from last_runs
group by last_runs.task_id, last_runs.week
order by task, last_runs.week
