{#-
    The subjects or the grades of a class as an array: each once, in order, no nulls, never null.
    By the id of the class, which need not have a row of its own.
    array(...) and not array_agg: it is never null, and one class costs its own rows alone.
-#}
{% macro class_contents(kind, class_id) -%}
    array(
        select distinct class_{{ kind }}.{{ kind }}_id
        from {{ ref('stg_one_roster_class_' ~ kind) }} as class_{{ kind }}
        where class_{{ kind }}.class_id = {{ class_id }} and class_{{ kind }}.{{ kind }}_id is not null
        order by class_{{ kind }}.{{ kind }}_id
    )
{%- endmacro %}
