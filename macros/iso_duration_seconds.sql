{#-
    Seconds of an ISO 8601 duration such as PT7M40S, as a number; null for null and for anything
    else, so that a client's malformed duration never fails a query. Weeks, days, hours, minutes
    and seconds in that order, upper case, unsigned, at most nine digits before a decimal point;
    years and months have no fixed length and count as malformed.
    Numbers and not a cast to interval, because 999999999W is out of an interval's range.
-#}
{% macro iso_duration_seconds(expression) -%}
    {%- set number = '([0-9]{1,9}(?:[.][0-9]{1,255})?)' -%}
    (
        select
            coalesce(part.found[1]::numeric, 0) * 604800
            + coalesce(part.found[2]::numeric, 0) * 86400
            + coalesce(part.found[3]::numeric, 0) * 3600
            + coalesce(part.found[4]::numeric, 0) * 60
            + coalesce(part.found[5]::numeric, 0)
        from regexp_match(
            {{ expression }},
            '^P(?=.)(?:{{ number }}W)?(?:{{ number }}D)?(?:T(?=.)(?:{{ number }}H)?(?:{{ number }}M)?(?:{{ number }}S)?)?$'
        ) as part (found)
        where part.found is not null
    )
{%- endmacro %}
