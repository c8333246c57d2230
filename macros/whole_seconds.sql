{#- Whole seconds from one timestamp to another, rounded; null where seconds_between is. -#}
{% macro whole_seconds(started_at, ended_at) -%}
    round({{ seconds_between(started_at, ended_at) }})
{%- endmacro %}

{#-
    Seconds from one timestamp to another; null where either is null or not finite. Seconds are subtracted and not
    timestamps: an interval is too short for some two of those, and infinite only from PostgreSQL 17 on. One row
    of that kind would fail every query that comes upon it.
-#}
{% macro seconds_between(started_at, ended_at) -%}
    case
        when isfinite({{ started_at }}) and isfinite({{ ended_at }})
            then extract(epoch from {{ ended_at }}) - extract(epoch from {{ started_at }})
    end
{%- endmacro %}
