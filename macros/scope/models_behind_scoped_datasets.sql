{#-
    {dataset: relation} for each dataset that is scoped, always or on demand: the relation is the one
    whose rows it scopes, the only model that it reads beside those whose config.meta says that they decide the
    scope (decides_scope), or are another form of the same rows (same_rows_as). Empty before dbt knows its graph.
    models_behind in catalog/manifest.py asks the manifest the same.
-#}
{% macro models_behind_scoped_datasets() -%}
    {%- set behind = {} -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and (node.config.meta.scope or node.config.meta.scope_when) -%}
            {%- for unique_id in node.depends_on.nodes -%}
                {%- set meta = graph.nodes[unique_id].config.meta -%}
                {%- if not meta.decides_scope and not meta.same_rows_as -%}
                    {%- do behind.update({node.name: graph.nodes[unique_id].relation_name}) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(behind) }}
{%- endmacro %}
