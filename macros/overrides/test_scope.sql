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
    {%- if needs_everyone(model) and not may_see_everyone() %}
    -- left out: {{ target.user }} may not see everybody (the first lines of the run say what it takes)
    select 0 as failures, false as should_warn, false as should_error
    {%- else %}
    {{ default__get_test_sql(main_sql, fail_calc, warn_unless_expected(model, warn_if), error_if, limit) }}
    {%- endif %}
{%- endmacro %}


{#- Whether a data test reads a scoped dataset under the scope `*`. -#}
{% macro needs_everyone(test) -%}
    {%- set found = namespace(is_scoped=false) -%}
    {%- if (test.config.meta or {}).get('scope', '*') == '*' -%}
        {%- for unique_id in test.depends_on.nodes if unique_id in graph.nodes and is_scoped(graph.nodes[unique_id].config.meta) -%}
            {%- set found.is_scoped = true -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found.is_scoped) }}
{%- endmacro %}


{#- Whether the deploying role may ask for every organization, as caller_scope judges it. -#}
{% macro may_see_everyone() -%}
    {%- set found = run_query('select ' ~ role_may_see_everyone('current_user')) -%}
    {{ return(found.columns[0].values()[0]) }}
{%- endmacro %}


{#-
    At the start of a run with data tests: says once that those of scoped datasets are left out, how many, and
    what it takes to have them. Each of them would fail otherwise, for the same reason.
-#}
{% macro say_which_tests_are_left_out() %}
    {%- if execute and flags.WHICH in ('build', 'test') -%}
        {%- set left_out = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'test' and node.unique_id in selected_resources and needs_everyone(node) -%}
            {%- do left_out.append(node.name) -%}
        {%- endfor -%}
        {%- if left_out and not may_see_everyone() -%}
            {%- do exceptions.warn(
                left_out | length ~ " tests of scoped datasets are left out and count as passed, since " ~ target.user
                ~ " may not see everybody. To have them, an administrator runs: " ~ how_to_see_everyone()
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#- The SQL after which the deploying role may ask for every organization. -#}
{% macro how_to_see_everyone() -%}
    {%- set exists = run_query("select to_regrole('timeback_unrestricted') is not null").columns[0].values()[0] -%}
    {{ return(
        ('' if exists else 'create role timeback_unrestricted nologin; ')
        ~ 'grant timeback_unrestricted to ' ~ adapter.quote(target.user) ~ ';'
    ) }}
{%- endmacro %}

{% macro postgres__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {{ set_test_scope() }}
    {{ default__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) }}
{%- endmacro %}
