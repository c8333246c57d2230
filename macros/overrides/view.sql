{#-
    dbt's own view materialization builds beside the old view, renames, and drops the old one with
    CASCADE: readers meet errors, grants go, and a consumer's view on top is deleted. This one
    replaces the view in place (macros/deploy/deploy_view.sql), and a view that is as it would be
    made is not touched: no lock, no write, no new oid.
-#}
{%- materialization view, adapter='postgres' -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set is_published = target_relation.schema in schemas_of_readers() -%}
    {%- set options = 'security_barrier = ' ~ ('true' if is_scoped(config.get('meta', {})) else 'false') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- set outcome = bring_up_to_date(target_relation, sql, options, is_published) -%}
    {%- if target_relation.schema == target.schema and model.columns and has_bi_views() -%}
        {%- set outcome_of_bi = bring_up_to_date(bi_relation(target_relation), bi_view(sql), options, is_published) -%}
        {%- set outcome = outcome_of_bi if outcome == 'unchanged' else outcome -%}
    {%- endif -%}
    {% call noop_statement('main', outcome, outcome) -%}
        {{ create_or_replace_view_in_place(target_relation, sql, options) }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization -%}


{#- Creates, replaces or describes a view if it differs from what it should be; returns what was done, in a word or two. -#}
{% macro bring_up_to_date(relation, sql, options, is_published) -%}
    {%- set sql_hash = hash_of_view(sql, options) -%}
    {%- set before = deployed_state(relation, sql_hash, is_published) -%}
    {%- set after = before -%}
    {%- if not before['is_current'] -%}
        {%- do check_parents_are_deployed() -%}
        {%- if config.get('contract').enforced and relation.schema == model.schema -%}
            {{ get_assert_columns_equivalent(sql) }}
        {%- endif -%}
        {%- call statement('deploy_view') -%}
            {{ deploy_view(relation, sql, options, sql_hash) }}
        {%- endcall -%}
        {%- set after = deployed_state(relation, sql_hash, is_published) -%}
    {%- endif -%}
    {%- if after['lacks_grant'] or after['lacks_comments'] -%}
        {%- call statement('describe_view') -%}
            {{ grant_and_comment(relation, after) }}
        {%- endcall -%}
    {%- endif -%}

    {%- if before['kind'] is none -%}
        {{ return('created') }}
    {%- elif before['view_oid'] != after['view_oid'] -%}
        {{ return('columns replaced') }}
    {%- elif not before['is_current'] -%}
        {{ return('replaced') }}
    {%- elif after['lacks_grant'] or after['lacks_comments'] -%}
        {{ return('described') }}
    {%- endif -%}
    {{ return('unchanged') }}
{%- endmacro %}


{#- The options stand in the create statement itself, because a plain `create or replace view` clears them. -#}
{% macro create_or_replace_view_in_place(relation, sql, options) -%}
    create or replace view {{ relation }} with ({{ options }}) as (
            {{ sql }}
        )
{%- endmacro %}
