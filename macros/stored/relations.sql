{#- The relation of a model, by its name. -#}
{% macro relation_of_model(name) -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == name -%}
        {{ return(node.relation_name) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(model['name'] ~ " names " ~ name ~ ", which is neither a model nor an operational table") -%}
{%- endmacro %}


{#- The relation of an operational table, by its name in models/staging/_sources.yml; none where there is none. -#}
{% macro relation_of_source(name) -%}
    {%- for source in graph.sources.values() if source.name == name -%}
        {{ return(source.relation_name) }}
    {%- endfor -%}
    {{ return(none) }}
{%- endmacro %}


{#- SQL: columns of a relation by its alias, with commas between them. -#}
{% macro qualified(alias, columns) -%}
{% for name in columns %}{{ alias }}.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}


{#- SQL condition: two relations have the same values in columns that are never null. -#}
{% macro same_columns(alias, other, columns) -%}
{% for name in columns %}{{ alias }}.{{ name }} = {{ other }}.{{ name }}{{ ' and ' if not loop.last }}{% endfor %}
{%- endmacro %}


{#- SQL condition: two relations have the same row: the same key, and the same values elsewhere, nulls included. -#}
{% macro same_row(alias, other, key, columns) -%}
{{ same_columns(alias, other, key) }}
{%- for name in columns if name not in key %} and {{ alias }}.{{ name }} is not distinct from {{ other }}.{{ name }}{% endfor %}
{%- endmacro %}
