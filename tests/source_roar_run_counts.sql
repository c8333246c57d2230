{{ config(severity='warn', group='catalog', enabled=has_roar()) }}
with recorded as (
    {%- for who in ['guest', 'user'] %}
    {{ 'union all' if not loop.first }}
    {%- for stage in ['practice', 'test'] %}
    {{ 'union all' if not loop.first }}
    select
        '{{ who }}s/' || {{ who }}_id || '/runs/' || id as run_path,
        '{{ stage }}_response' as assessment_stage,
        {{ stage }}_num_attempted as num_attempted,
        {{ stage }}_num_correct as num_correct
    from {{ ref('int_roar_' ~ who ~ '_run') }}
    {%- endfor %}
    {%- endfor %}
),

counted as (
    {%- for who in ['guest', 'user'] %}
    {{ 'union all' if not loop.first }}
    select
        '{{ who }}s/' || {{ who }}_id || '/runs/' || run_id as run_path,
        assessment_stage,
        count(*) as trials,
        count(*) filter (where correct = 1) as correct_trials
    from {{ ref('int_roar_' ~ who ~ '_trial') }}
    where assessment_stage in ('practice_response', 'test_response')
    group by {{ who }}_id, run_id, assessment_stage
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
