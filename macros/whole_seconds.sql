{#- Whole seconds from one timestamp to another, rounded; null where either is null. -#}
{% macro whole_seconds(started_at, ended_at) -%}
    round(extract(epoch from ({{ ended_at }} - {{ started_at }})))
{%- endmacro %}
