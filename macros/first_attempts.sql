{#-
    First attempts with their session, duration and result, and the ids of the rows that each is made of.
    newest_score: a relation with the scores that count: attempt_id, is_correct, score_id.
-#}
{% macro first_attempts(newest_score) -%}
select
    first_attempt.student_id,
    first_attempt.resource_id,
    attempt_session.session_id,
    {{ date_of('first_attempt.start_time') }} as date,
    first_attempt.start_time,
    first_attempt.end_time,
    coalesce(
        round({{ iso_duration_seconds('first_attempt.client_duration') }}),
        case
            when first_attempt.end_time >= first_attempt.start_time
                then {{ whole_seconds('first_attempt.start_time', 'first_attempt.end_time') }}
        end
    ) as duration_sec,
    newest_score.is_correct,
    first_attempt.attempt_id,
    newest_score.score_id,
    attempt_session.event_id
from {{ ref('int_first_attempt') }} as first_attempt
left join {{ newest_score }} as newest_score on first_attempt.attempt_id = newest_score.attempt_id
left join {{ ref('int_attempt_session') }} as attempt_session on first_attempt.attempt_id = attempt_session.attempt_id
{%- endmacro %}


{#-
    The score of one attempt that counts, for a lateral join: the first by the rule of int_newest_score. For few
    attempts a lookup of the first costs half of "no newer one exists"; for everybody's it costs many times more.
    Columns: attempt_id, is_correct, score_id.
-#}
{% macro newest_score_of(attempt_id) -%}
(
    select
        score.attempt_id,
        {{ is_correct('score') }} as is_correct,
        score.score_id
    from {{ ref('stg_caliper_score') }} as score
    where score.attempt_id = {{ attempt_id }}
    order by score.date_created desc, score.score_id collate "C" desc
    limit 1
)
{%- endmacro %}


{#- SQL: whether a score says that the answer was right; null where it has no number. -#}
{% macro is_correct(score) -%}
{{ score }}.score_given = {{ score }}.max_score
{%- endmacro %}
