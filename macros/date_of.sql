{#-
    The calendar date of a timestamp in the project's time zone, whatever the session's. In another zone than UTC
    the first and the last timestamps that there are have no local time; their date is that of UTC.
-#}
{% macro date_of(timestamp_expression) -%}
    {%- if var('timezone') == 'UTC' -%}
    {{ local_date(timestamp_expression, 'UTC') }}
    {%- else -%}
    case
        when {{ timestamp_expression }} between '4713-11-26 00:00:00+00 BC' and '294276-12-30 00:00:00+00'
            then {{ local_date(timestamp_expression, var('timezone')) }}
        else {{ local_date(timestamp_expression, 'UTC') }}
    end
    {%- endif -%}
{%- endmacro %}

{#- Today's date in the project's time zone. -#}
{% macro today() -%}
    {{ local_date('now()', var('timezone')) }}
{%- endmacro %}

{#- The date of a timestamp in a time zone. -#}
{% macro local_date(timestamp_expression, timezone) -%}
    ({{ timestamp_expression }} at time zone '{{ timezone }}')::date
{%- endmacro %}
