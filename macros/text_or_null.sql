{#- A text that is empty or holds nothing but white space counts as not recorded; any other stays as it is. -#}
{% macro text_or_null(expression) -%}
    case when btrim({{ expression }}, e' \t\n\x0b\f\r') <> '' then {{ expression }} end
{%- endmacro %}
