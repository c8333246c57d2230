{#- The curriculum resources of one kind (subject, course, unit, lesson): id and title, as a select. -#}
{% macro curriculum_resources(kind) -%}
    select
        resource_id as id,
        title
    from {{ ref('stg_caliper_assignable_digital_resource') }}
    where media_type = 'curriculum/{{ kind }}'
{%- endmacro %}
