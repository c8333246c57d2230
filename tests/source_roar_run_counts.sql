{{ config(severity='warn', group='catalog') }}
with recorded as (
    {%- for kind, stage in [('guest', 'practice'), ('guest', 'test'), ('user', 'practice'), ('user', 'test')] %}
        select
            '{{ kind }}s/' || {{ kind }}_id || '/runs/' || id as run_path,
            '{{ stage }}_response' as assessment_stage,
            {{ stage }}_num_attempted as num_attempted,
            {{ stage }}_num_correct as num_correct
        from {{ ref('int_roar_' ~ kind ~ '_runs') }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}
),

counted as (
    {%- for kind in ['guest', 'user'] %}
        select
            '{{ kind }}s/' || {{ kind }}_id || '/runs/' || run_id as run_path,
            assessment_stage,
            count(*) as trials,
            count(*) filter (where correct = 1) as correct_trials
        from {{ ref('int_roar_' ~ kind ~ '_trials') }}
        where assessment_stage in ('practice_response', 'test_response')
        group by {{ kind }}_id, run_id, assessment_stage
        {{ 'union all' if not loop.last }}
    {%- endfor %}
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
