{#-
    A student-level dataset for which the documentation gives no org_ids: the rows of `relation` as
    they are, or, under the dbt var scope_student_rows, those that the caller's scope reaches, with
    the same columns. The dataset says so with `meta: {scope_when: scope_student_rows}`.
-#}
{% macro scope_student_rows(relation, person, grouped=false) -%}
    {%- if var('scope_student_rows') -%}
        {{ scoped(relation, person, grouped=grouped) }}
    {%- else -%}
select
    {{ model.columns.keys() | join(',\n    ') }}
from {{ relation }}
    {%- endif -%}
{%- endmacro %}


{#- Whether a model's rows depend on the caller: always (meta.scope), or when the dbt var that meta.scope_when names is true. -#}
{% macro is_scoped(meta) -%}
    {{ return(true if meta.get('scope') or (meta.get('scope_when') and var(meta.get('scope_when'))) else false) }}
{%- endmacro %}
