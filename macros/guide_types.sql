{#- The kinds of educators that are a student's guides: as roles of a person and as types of a relationship. -#}
{% macro guide_types() -%}
    ('teacher', 'principal')
{%- endmacro %}
