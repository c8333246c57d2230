{{ config(severity='warn', group='catalog') }}
-- depends_on: {{ ref('ceds_education_level') }}
{%- set seed_is_loaded = not execute or load_relation(ref('ceds_education_level')) is not none %}
with known_code as (
    {% if seed_is_loaded -%}
        select code from {{ ref('ceds_education_level') }}
    {%- else -%}
        select grade_identifier as code from {{ ref('grades') }}
    {%- endif %}
)

select
    grade.id,
    grade.grade_identifier,
    grade.label
from {{ ref('grades') }} as grade
where
    -- the documentation's code for what CEDS divides into degrees
    grade.grade_identifier <> 'PS'
    and not exists (
        select from known_code
        where known_code.code = grade.grade_identifier
    )
