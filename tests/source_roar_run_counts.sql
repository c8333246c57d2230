{{ config(severity='warn', group='catalog', enabled=has_roar()) }}
with recorded as (
    select
        'guests/' || guest_id || '/runs/' || id as run_path,
        'practice_response' as assessment_stage,
        practice_num_attempted as num_attempted,
        practice_num_correct as num_correct
    from {{ ref('int_roar_guest_run') }}
    union all
    select
        'guests/' || guest_id || '/runs/' || id as run_path,
        'test_response' as assessment_stage,
        test_num_attempted as num_attempted,
        test_num_correct as num_correct
    from {{ ref('int_roar_guest_run') }}
    union all
    select
        'users/' || user_id || '/runs/' || id as run_path,
        'practice_response' as assessment_stage,
        practice_num_attempted as num_attempted,
        practice_num_correct as num_correct
    from {{ ref('int_roar_user_run') }}
    union all
    select
        'users/' || user_id || '/runs/' || id as run_path,
        'test_response' as assessment_stage,
        test_num_attempted as num_attempted,
        test_num_correct as num_correct
    from {{ ref('int_roar_user_run') }}
),

counted as (
    select
        'guests/' || guest_id || '/runs/' || run_id as run_path,
        assessment_stage,
        count(*) as trials,
        count(*) filter (where correct = 1) as correct_trials
    from {{ ref('int_roar_guest_trial') }}
    where assessment_stage in ('practice_response', 'test_response')
    group by guest_id, run_id, assessment_stage
    union all
    select
        'users/' || user_id || '/runs/' || run_id as run_path,
        assessment_stage,
        count(*) as trials,
        count(*) filter (where correct = 1) as correct_trials
    from {{ ref('int_roar_user_trial') }}
    where assessment_stage in ('practice_response', 'test_response')
    group by user_id, run_id, assessment_stage
)

-- trials of a run without a document differ too: there is nothing to count them
select
    coalesce(recorded.run_path, counted.run_path) as run_path,
    coalesce(recorded.assessment_stage, counted.assessment_stage) as assessment_stage,
    recorded.num_attempted as recorded_attempted,
    coalesce(counted.trials, 0) as counted_attempted,
    recorded.num_correct as recorded_correct,
    coalesce(counted.correct_trials, 0) as counted_correct
from recorded
full join counted
    on recorded.run_path = counted.run_path and recorded.assessment_stage = counted.assessment_stage
where
    coalesce(recorded.num_attempted, 0) <> coalesce(counted.trials, 0)
    or coalesce(recorded.num_correct, 0) <> coalesce(counted.correct_trials, 0)
order by run_path, assessment_stage
