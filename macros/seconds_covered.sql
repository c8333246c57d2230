{#- Seconds that a multirange of timestamps covers; null where it is null or empty. -#}
{% macro seconds_covered(ranges) -%}
    (
        select sum({{ seconds_between('lower(stretch.time_range)', 'upper(stretch.time_range)') }})
        from unnest({{ ranges }}) as stretch (time_range)
    )
{%- endmacro %}
