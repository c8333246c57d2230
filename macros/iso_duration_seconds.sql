{#-
    Seconds of an ISO 8601 duration such as PT7M40S, as a number; null for null and for anything
    else, so that a client's malformed duration never fails a query. Weeks, days, hours, minutes
    and seconds in that order, upper case, unsigned, at most nine digits before a decimal point;
    years and months have no fixed length and count as malformed.
    One match decides, then each part is cut out by its letter. A pattern that captures all parts at
    once takes fifty times as long, one for each part twice as long. Numbers and not a cast to interval, because 999999999W is out
    of an interval's range.
-#}
{% macro iso_duration_seconds(expression) -%}
    {%- set number = '[0-9]{1,9}(?:[.][0-9]+)?' -%}
    {%- set seconds_of = {'W': 604800, 'D': 86400, 'H': 3600, 'M': 60, 'S': 1} -%}
    case
        when
            {{ expression }} ~ '^P(?:{{ number }}W)?(?:{{ number }}D)?(?:T(?:{{ number }}H)?(?:{{ number }}M)?(?:{{ number }}S)?)?$'
            and right({{ expression }}, 1) not in ('P', 'T')
            then
                {%- for letter, seconds in seconds_of.items() %}
                {{ '+ ' if not loop.first }}case
                    when strpos({{ expression }}, '{{ letter }}') > 0
                        then {{ number_before(letter, expression) }} * {{ seconds }}
                    else 0
                end
                {%- endfor %}
    end
{%- endmacro %}


{#- SQL: the number before a letter of a well-formed duration, the first 40 characters of it. -#}
{% macro number_before(letter, expression) -%}
    left(split_part(translate(split_part({{ expression }}, '{{ letter }}', 1), 'PWDTHM', '      '), ' ', -1), 40)::numeric
{%- endmacro %}
