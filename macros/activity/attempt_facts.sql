{#-
    The facts of first attempts, in one of two physical shapes of one meaning.
    by_student=true:  an event is looked for once an attempt is known, by index; for a caller who
                      sees a school. A filter on session_id starts from the session's events.
    by_student=false: events, scores and attempts are each read once and joined; for a caller who
                      sees everybody.
    Both shapes say "no earlier one exists" instead of DISTINCT ON, which Postgres can turn into
    index lookups or into hash joins as the case asks, and through which every filter passes.
-#}
{% macro attempt_facts(by_student) -%}
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
    newest_score.is_correct
from {{ ref('int_first_attempt') }} as first_attempt
left join {{ ref('int_newest_score') }} as newest_score on first_attempt.attempt_id = newest_score.attempt_id
{%- if by_student %}
left join {{ ref('stg_caliper_event') }} as attempt_session
    on
        {{ is_event_of_attempt('attempt_session', 'first_attempt') }}
        and attempt_session.session_id is not null
where
    not exists (
        select
        from {{ ref('stg_caliper_event') }} as earlier
        where
            {{ is_event_of_attempt('earlier', 'first_attempt') }}
            and earlier.session_id is not null
            and {{ is_earlier_event('earlier', 'attempt_session') }}
    )
{%- else %}
left join {{ ref('int_attempt_session') }} as attempt_session on first_attempt.attempt_id = attempt_session.attempt_id
{%- endif %}
{%- endmacro %}


{#-
    An event is of an attempt that it made (generated) or acted on (object). Spelt with `or`, because
    Postgres uses the indexes on both columns for that and none for `in`.
-#}
{% macro is_event_of_attempt(event, attempt) -%}
    ({{ event }}.generated_id = {{ attempt }}.attempt_id or {{ event }}.object_id = {{ attempt }}.attempt_id)
{%- endmacro %}


{#- Which of two events decides an attempt's session: the earlier, then the one with the lower id. -#}
{% macro is_earlier_event(earlier, later) -%}
    ({{ earlier }}.event_time, {{ earlier }}.event_id collate "C") < ({{ later }}.event_time, {{ later }}.event_id collate "C")
{%- endmacro %}


{#- Question attempts rolled up to session and student, from either shape of the attempt facts. -#}
{% macro session_attempt_rollup(attempts) -%}
select
    attempt.session_id,
    attempt.student_id,
    {{ date_of('min(attempt.start_time)') }} as date,
    count(attempt.is_correct) as total_questions_answered,
    count(*) filter (where attempt.is_correct) as total_questions_correct,
    round(avg(attempt.duration_sec)) as avg_duration_sec
from {{ attempts }} as attempt
inner join {{ ref('stg_caliper_assessment_item') }} as question on attempt.resource_id = question.question_id
where attempt.session_id is not null
group by attempt.session_id, attempt.student_id
{%- endmacro %}


{#- What orders a student's attempts on a resource: start, count, id; a missing start or count comes last. -#}
{% macro place_in_line_of_attempts(attempt) -%}
    (
        {{ attempt }}.start_time is null,
        coalesce({{ attempt }}.start_time, 'infinity'),
        {{ attempt }}.attempt_count is null,
        coalesce({{ attempt }}.attempt_count, 0),
        {{ attempt }}.attempt_id collate "C"
    )
{%- endmacro %}
