{#-
    dbt's own view materialization builds beside the old view, renames, and drops the old one with
    CASCADE: readers meet errors, grants go, and a consumer's view on top is deleted. This one
    replaces the view in place. security_barrier stands in the create statement itself, because a
    plain `create or replace view` clears it.

    A view whose columns change incompatibly cannot be replaced in place; it is dropped and made
    anew in the same statement, unless something that is not ours depends on it.
-#}
{%- materialization view, adapter='postgres' -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set existing_relation = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing_relation is not none and not existing_relation.is_view -%}
        {{ drop_relation_if_exists(existing_relation) }}
    {%- endif -%}

    {% call statement('main') -%}
        {{ create_or_replace_view_in_place(target_relation, sql) }}
    {%- endcall %}

    {% do grant_to_reader(target_relation) %}
    {% do persist_docs(target_relation, model) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization -%}


{% macro create_or_replace_view_in_place(relation, sql) %}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif -%}
    {%- set create_view -%}
        create or replace view {{ relation }} with (security_barrier = {{ 'true' if is_scoped(config.get('meta', {})) else 'false' }}) as (
            {{ sql }}
        )
    {%- endset -%}
    do $deploy$
    begin
        {{ create_view }};
    exception when invalid_table_definition then
        {{ refuse_when_others_depend_on(relation) }}
        drop view {{ relation }} cascade;
        {{ create_view }};
    end
    $deploy$;
{% endmacro %}


{#- Stops the drop of a view when an object outside our two schemas depends on it, and names the object. -#}
{% macro refuse_when_others_depend_on(relation) %}
    declare
        dependents text;
    begin
        with recursive dependent as (
            select to_regclass('{{ relation }}')::oid as view_oid
            union
            select pg_rewrite.ev_class
            from dependent
            inner join pg_catalog.pg_depend on pg_depend.refclassid = 'pg_catalog.pg_class'::regclass and pg_depend.refobjid = dependent.view_oid
            inner join pg_catalog.pg_rewrite on pg_depend.classid = 'pg_catalog.pg_rewrite'::regclass and pg_depend.objid = pg_rewrite.oid
        )

        select string_agg(dependent.view_oid::regclass::text, ', ' order by dependent.view_oid::regclass::text)
        into dependents
        from dependent
        inner join pg_catalog.pg_class on dependent.view_oid = pg_class.oid
        inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
        where pg_namespace.nspname not in ('{{ target.schema }}', '{{ generate_schema_name("internal", none) }}');

        if dependents is not null then
            raise exception 'The columns of {{ relation }} change, and % stand on it', dependents
            using hint = 'Drop them, run again, and create them anew on the new columns.';
        end if;
    end;
{% endmacro %}


{#- Readers may select from published views; a grant that somebody else made is left alone. -#}
{% macro grant_to_reader(relation) %}
    {%- if relation.schema == target.schema -%}
        {%- call statement('grant_to_reader') -%}
            do $grant$
            begin
                if
                    exists (select from pg_catalog.pg_roles where rolname = 'timeback_reader')
                    and not has_table_privilege('timeback_reader', '{{ relation }}', 'select')
                then
                    grant select on {{ relation }} to timeback_reader;
                end if;
            end
            $grant$;
        {%- endcall -%}
    {%- endif -%}
{% endmacro %}
