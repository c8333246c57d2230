{#- The relation of one of the models that a model depends on, by its name. -#}
{% macro relation_of_model(unique_ids, name) -%}
    {%- for unique_id in unique_ids if graph.nodes.get(unique_id) and graph.nodes[unique_id].name == name -%}
        {{ return(graph.nodes[unique_id].relation_name) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(model['name'] ~ " depends on no model " ~ name) -%}
{%- endmacro %}


{#- The relation of an operational table, by its name in models/staging/_sources.yml. -#}
{% macro relation_of_source(name) -%}
    {%- for source in graph.sources.values() if source.name == name -%}
        {{ return(source.relation_name) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(model['name'] ~ " is made from " ~ name ~ ", which is no operational table") -%}
{%- endmacro %}


{#- SQL: columns of a relation by its alias, with commas between them. -#}
{% macro qualified(alias, columns) -%}
{% for name in columns %}{{ alias }}.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}


{#- SQL condition: two relations have the same values in columns that are never null. -#}
{% macro same_columns(alias, other, columns) -%}
{% for name in columns %}{{ alias }}.{{ name }} = {{ other }}.{{ name }}{{ ' and ' if not loop.last }}{% endfor %}
{%- endmacro %}
