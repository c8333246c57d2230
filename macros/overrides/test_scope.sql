{#-
    A scoped view shows nothing while no scope is set, so a test on one would pass whatever is wrong.
    Every data test and unit test therefore runs with a scope of its own, set in its transaction
    alone: `*`, or what the test's `config: {meta: {scope: ...}}` says ('' for none at all).
-#}
{% macro set_test_scope() -%}
    {%- for setting in ['app.allowed_org_ids', 'app.allowed_roar_org_ids'] %}
    select set_config('{{ setting }}', '{{ (config.get("meta") or {}).get("scope", "*") }}', true);
    {%- endfor %}
{%- endmacro %}

{% macro postgres__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    {{ set_test_scope() }}
    {{ default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) }}
{%- endmacro %}

{% macro postgres__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {{ set_test_scope() }}
    {{ default__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) }}
{%- endmacro %}
