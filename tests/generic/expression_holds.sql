{% test expression_holds(model, expression) %}
    {%- if expression is not string or not expression.strip() -%}
        {%- do exceptions.raise_compiler_error(
            "expression_holds on " ~ model ~ " needs a boolean SQL expression over its columns, as in expression: \"start_time <= end_time\""
        ) -%}
    {%- endif -%}
-- where a value that the expression needs is null, there is nothing to break
select *
from {{ model }}
where not (
    {{ expression }}
)
{% endtest %}
