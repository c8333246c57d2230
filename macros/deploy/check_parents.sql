{#-
    Stops with what to run where a model is to be made that reads another one which is not deployed, as with
    `dbt run --select` of a stored model on a live catalog. The database would name the missing relation and no more.
-#}
{% macro check_parents_are_deployed() -%}
    {%- for one in model.refs if not one.package -%}
        {%- set relation = ref(one.name) -%}
        {%- if load_relation(relation) is none -%}
            {%- do exceptions.raise_compiler_error(
                model.name ~ " reads " ~ one.name ~ ", and there is no " ~ relation ~ ". Deploy it first, with all that it"
                ~ " reads: dbt run --select +" ~ model.name ~ ", with the same --vars."
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
