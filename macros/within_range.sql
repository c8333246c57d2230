{#-
    A number, of which one of 100 digits or more counts as infinite: a sum or a product of such could have more
    digits than a numeric may have, and fail every query that comes upon it. Not a number stays so.
-#}
{% macro within_range(number) -%}
    case when abs({{ number }}) < 1e100 then {{ number }} else {{ number }} * 'Infinity' end
{%- endmacro %}
