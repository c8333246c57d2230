{{ config(severity='warn', group='catalog') }}
with recorded (source_column, value) as (
    select
        'caliper_assignable_digital_resource.media_type',
        media_type
    from {{ ref('stg_caliper_assignable_digital_resource') }}

    union all

    select
        'caliper_resource_relation.relationship_type',
        relationship_type
    from {{ ref('stg_caliper_resource_relation') }}

    union all

    select
        'cf_item.cf_item_type',
        cf_item_type
    from {{ ref('stg_cf_item') }}

    union all

    select
        'clr_achievement.achievement_type',
        achievement_type
    from {{ ref('stg_clr_achievement') }}

    union all

    select
        'one_roster_role.role',
        role
    from {{ ref('stg_one_roster_role') }}

    union all

    select
        'one_roster_enrollment.role',
        role
    from {{ ref('stg_one_roster_enrollment') }}

    union all

    select
        'one_roster_user_agent.relationship_type',
        relationship_type
    from {{ ref('stg_one_roster_user_agent') }}
),

known_word (source_column, value) as (
    values
    ('caliper_assignable_digital_resource.media_type', 'curriculum/subject'),
    ('caliper_assignable_digital_resource.media_type', 'curriculum/course'),
    ('caliper_assignable_digital_resource.media_type', 'curriculum/unit'),
    ('caliper_assignable_digital_resource.media_type', 'curriculum/lesson'),
    ('caliper_resource_relation.relationship_type', 'isPartOf'),
    ('cf_item.cf_item_type', 'Course'),
    ('clr_achievement.achievement_type', 'StandardMastery'),
    ('clr_achievement.achievement_type', 'CurriculumMastery'),
    ('one_roster_role.role', 'student'),
    ('one_roster_role.role', 'teacher'),
    ('one_roster_role.role', 'principal'),
    ('one_roster_enrollment.role', 'student'),
    ('one_roster_user_agent.relationship_type', 'teacher'),
    ('one_roster_user_agent.relationship_type', 'principal')
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
