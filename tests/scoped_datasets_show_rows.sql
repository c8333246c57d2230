{{ config(group='catalog') }}
{#-
    The other tests on a scoped dataset pass whatever is wrong while it shows nothing, as it does
    when the scope that they run under is lost. dbt has to know what this test reads before it knows
    the graph, so the datasets are listed; a list that is not the graph's stops the test.
-#}
{%- set datasets = [
    'aggregated_session_attempts',
    'attempts',
    'cheating_insights',
    'class_enrollments',
    'course_enrollments',
    'guides',
    'placement_results',
    'proctoring_insights',
    'recommendations',
    'sessions',
    'sessions_cheating',
    'sessions_proctoring',
    'sessions_waste',
    'student_guides',
    'student_journals',
    'student_schools',
    'student_start_dates',
    'students',
    'students_enrollments',
    'students_mastery',
    'students_xp',
    'waste_insights',
] -%}
{%- set datasets = (datasets + [
    'roar_deleted_users',
    'roar_guest_runs',
    'roar_guest_trials',
    'roar_guests',
    'roar_user_claims',
    'roar_user_runs',
    'roar_user_trials',
    'roar_users',
]) | sort if has_roar() else datasets -%}
{%- set behind = models_behind_scoped_datasets() -%}
{%- if execute and behind.keys() | sort != datasets -%}
    {%- do exceptions.raise_compiler_error(
        "The scoped datasets are " ~ behind.keys() | sort | join(', ') ~ "; list them, sorted, in tests/scoped_datasets_show_rows.sql"
    ) -%}
{%- endif -%}
{%- for dataset in datasets %}
    {{ 'union all\n' if not loop.first }}
    select '{{ dataset }}' as dataset
    where
        exists (select 1 from {{ behind.get(dataset, ref(dataset)) }})
        and not exists (select 1 from {{ ref(dataset) }})
{% endfor %}
