{{ config(severity='warn', group='catalog') }}
-- depends_on: {{ ref('ceds_education_level') }}
{%- if execute and load_relation(ref('ceds_education_level')) is none %}
-- the seed is not loaded, so there is nothing to compare with
select null::uuid as id where false
{%- else %}
select
    grade.id,
    grade.grade_identifier,
    grade.label
from {{ ref('grades') }} as grade
where
    -- the documentation's code for what CEDS divides into degrees
    grade.grade_identifier <> 'PS'
    and not exists (
        select from {{ ref('ceds_education_level') }} as level
        where level.code = grade.grade_identifier
    )
{%- endif %}
