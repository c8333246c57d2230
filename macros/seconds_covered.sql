{#- Seconds that a multirange of timestamps covers; null where it is null or empty. -#}
{% macro seconds_covered(ranges) -%}
    (
        select sum(extract(epoch from upper(stretch.time_range) - lower(stretch.time_range)))
        from unnest({{ ranges }}) as stretch (time_range)
    )
{%- endmacro %}
