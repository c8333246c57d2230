{#- A resource's title: its name, else its description, else 'N/A'. -#}
{% macro resource_title(name, description) -%}
    coalesce({{ text_or_null(name) }}, {{ text_or_null(description) }}, 'N/A')
{%- endmacro %}
