{#- A person's name: given name then family name, one space between, an empty part left out. -#}
{% macro person_name(given_name, family_name) -%}
    concat_ws(' ', {{ text_or_null(given_name) }}, {{ text_or_null(family_name) }})
{%- endmacro %}
