{#-
    The subjects of a class, and its grades, as arrays: each once, in order, no nulls, never null.
    By the id of the class, which need not have a row of its own.
    array(...) and not array_agg: it is never null, and one class costs its own rows alone.
-#}
{% macro class_subject_ids(class_id) -%}
    array(
        select distinct class_subject.subject_id
        from {{ ref('stg_one_roster_class_subject') }} as class_subject
        where class_subject.class_id = {{ class_id }} and class_subject.subject_id is not null
        order by class_subject.subject_id
    )
{%- endmacro %}

{% macro class_grade_ids(class_id) -%}
    array(
        select distinct class_grade.grade_id
        from {{ ref('stg_one_roster_class_grade') }} as class_grade
        where class_grade.class_id = {{ class_id }} and class_grade.grade_id is not null
        order by class_grade.grade_id
    )
{%- endmacro %}
