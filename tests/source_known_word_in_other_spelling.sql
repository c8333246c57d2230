{{ config(severity='warn', group='catalog') }}
{%- set known_words = {
    'caliper_assignable_digital_resource.media_type': [
        'curriculum/subject', 'curriculum/course', 'curriculum/unit', 'curriculum/lesson'
    ],
    'caliper_resource_relation.relationship_type': ['isPartOf'],
    'cf_item.cf_item_type': ['Course'],
    'clr_achievement.achievement_type': ['StandardMastery', 'CurriculumMastery'],
    'one_roster_role.role': ['student', 'teacher', 'principal'],
    'one_roster_enrollment.role': ['student'],
    'one_roster_user_agent.relationship_type': ['teacher', 'principal'],
} %}
with recorded (source_column, value) as (
    {%- for source_column in known_words %}
        {%- set table, column = source_column.split('.') %}
        select
            '{{ source_column }}',
            {{ column }}
        from {{ ref('stg_' ~ table) }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}
),

known_word (source_column, value) as (
    values
    {%- for source_column, words in known_words.items() %}
        {%- set is_last_column = loop.last %}
        {%- for word in words %}
            ('{{ source_column }}', '{{ word }}'){{ ',' if not (is_last_column and loop.last) }}
        {%- endfor %}
    {%- endfor %}
)

select
    recorded.source_column,
    recorded.value as recorded_value,
    known_word.value as meant_value,
    count(*) as row_count
from recorded
inner join known_word
    on
        recorded.source_column = known_word.source_column
        and lower(regexp_replace(recorded.value, '[\s_-]', '', 'g')) = lower(known_word.value)
        and recorded.value <> known_word.value
group by recorded.source_column, recorded.value, known_word.value
