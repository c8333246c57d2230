{#-
    {dataset: relation} for each dataset that is scoped, always or on demand: the relation is the one
    whose rows it scopes, the only model that it reads beside those of the scope itself. Empty before
    dbt knows its graph.
-#}
{% macro models_behind_scoped_datasets() -%}
    {%- set behind = {} -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and (node.config.meta.scope or node.config.meta.scope_when) -%}
            {%- for unique_id in node.depends_on.nodes if not graph.nodes[unique_id].name.endswith(('_caller_scope', '_current_organization')) -%}
                {%- do behind.update({node.name: graph.nodes[unique_id].relation_name}) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(behind) }}
{%- endmacro %}
