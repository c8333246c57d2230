{#- The calendar date of a timestamp, and today's, in the project's time zone, whatever the session's. -#}
{% macro date_of(timestamp_expression) -%}
    ({{ timestamp_expression }} at time zone '{{ var("timezone") }}')::date
{%- endmacro %}

{% macro today() -%}
    {{ date_of('now()') }}
{%- endmacro %}
