{#-
    {dataset: relation} for each dataset that is scoped, always or on demand: the relation is the one
    whose rows it scopes, the only model that it reads beside those that decide the scope, which say so in
    their config.meta. Empty before dbt knows its graph. checkpoint.models_behind asks the manifest the same.
-#}
{% macro models_behind_scoped_datasets() -%}
    {%- set behind = {} -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and (node.config.meta.scope or node.config.meta.scope_when) -%}
            {%- for unique_id in node.depends_on.nodes if not graph.nodes[unique_id].config.meta.decides_scope -%}
                {%- do behind.update({node.name: graph.nodes[unique_id].relation_name}) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(behind) }}
{%- endmacro %}
