{#-
    The scope that a kind of people belongs to, out of var `scopes` in dbt_project.yml: its name, its setting, the
    types of its ids, its table of bindings, the model that says who is asking (caller), and for this kind the
    model of their memberships.
-#}
{% macro scope_of(people) -%}
    {%- for name, scope in var('scopes').items() if people in scope['people'] -%}
        {{ return(dict(scope, name=name, membership=scope['people'][people])) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(
        "No scope in dbt_project.yml has people called " ~ people ~ ". See vars: scopes."
    ) -%}
{%- endmacro %}


{#- The schema of everything that no consumer may read, quoted. -#}
{% macro internal_schema() -%}
    {{ adapter.quote(generate_schema_name('internal', none)) }}
{%- endmacro %}
