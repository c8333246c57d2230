{#-
    What the scope needs in the database beside views: the roles, the table of bindings and the
    functions that read the setting. Runs at the start of dbt run and dbt build.
-#}
{% macro create_scope_objects() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- do check_owners() -%}
        {%- do create_scope_roles() -%}
        {%- do grant_published_schema() -%}
        {%- call statement('scope_objects') -%}
            -- `if not exists` alone would ask for the right to create schemas where there is nothing to create
            do $create_schema$
            begin
                if to_regnamespace('{{ internal_schema() }}') is null then
                    create schema if not exists {{ internal_schema() }};
                end if;
            end
            $create_schema$;
            {{ create_scope_binding('scope_binding', 'uuid') }}
            {{ create_scope_binding('roar_scope_binding', 'text') }}
            {{ create_deployed_view() }}
            {{ create_is_bound_function() }}
            {{ create_caller_scope_function('caller_scope', 'uuid') }}
            {{ create_caller_scope_function('roar_caller_scope', 'text') }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}


{#- The schema of everything that no consumer may read, quoted. -#}
{% macro internal_schema() -%}
    {{ adapter.quote(generate_schema_name('internal', none)) }}
{%- endmacro %}


{#-
    Which organizations a role is bound to. Written by `timeback bind`, read by int_caller_scope and
    int_roar_caller_scope: each reads both tables, since a role that is bound in one is bound in the other.
-#}
{% macro create_scope_binding(table, id_type) %}
    create table if not exists {{ internal_schema() }}.{{ table }} (
        role_name name not null,
        org_id {{ id_type }} not null,
        primary key (role_name, org_id)
    );
{% endmacro %}


{#-
    Whether the session's own role, or the one that it has taken on, is bound. It claims to be immutable so
    that a query's plan is made for the answer (is_bound_when_planned in scope_to_caller.sql says why that is
    right all the same). It runs with its owner's rights, because nobody else may read the bindings; in there
    current_user is the owner, and the setting `role` says what the caller has taken on. In plpgsql, which
    keeps the plan of its own query: planning a scoped view asks four times.
-#}
{% macro create_is_bound_function() %}
    {%- set body %}
    begin
        return exists (
            select from (
                select role_name from {{ internal_schema() }}.scope_binding
                union all
                select role_name from {{ internal_schema() }}.roar_scope_binding
            ) as bound
            where role_name in (session_user, current_setting('role')::name)
        );
    end
    {% endset -%}
    {{ create_function('is_bound_when_planned', '', '', 'boolean', 'immutable', body, runs_as_owner=true) }}
{% endmacro %}


{#-
    The organizations that a setting asks for, as far as a binding lets them through.
    requested: the setting's text. binding: the organizations that the caller is bound to, null for
    an unbound caller. may_see_everyone: whether an unbound caller may ask for every row.
    The text is checked with a pattern and not with an exception handler, since a handler opens a
    subtransaction, which a parallel query may not do.

    uuid: a list holds UUIDs and nothing else. text: an id may hold any character but a slash (Firestore's
    rule). It is written as it is where it has neither white space nor one of , { } " \ * and is not null;
    any other in double quotes, within which a backslash stands before " and \. Postgres writes its own
    array literals so, so that a client may send an array's text.
-#}
{% macro create_caller_scope_function(function, id_type) %}
    {{ create_function(
        name=function,
        argument_types='text, text, ' ~ id_type ~ '[], boolean',
        arguments='setting_name text, requested text, binding ' ~ id_type ~ '[], may_see_everyone boolean, '
            ~ 'OUT is_everyone boolean, OUT org_ids ' ~ id_type ~ '[]',
        returns='record',
        volatility='stable',
        body=caller_scope_body(id_type)
    ) }}
{% endmacro %}


{#- The body of the function that reads a setting of organization ids of this type. -#}
{% macro caller_scope_body(id_type) %}
    declare
        -- e'': what a backslash means in plain quotes is a setting of the caller's
        white_space constant text := e' \t\n\x0b\f\r';
        {{- setting_parser_variables(id_type) }}
    begin
        requested := btrim(coalesce(requested, ''), white_space);
        is_everyone := false;
        org_ids := '{}';

        if requested = '*' then
            if binding is not null then
                org_ids := binding;
            elsif may_see_everyone then
                is_everyone := true;
            else
                raise insufficient_privilege using
                    message = setting_name || ' = * asks for every organization, and '
                        || current_user || ' may not',
                    hint = 'Name the organizations instead, or ask an administrator for membership of timeback_unrestricted'
                        || case when to_regrole('timeback_unrestricted') is null then ', which is to be created first.' else '.' end;
            end if;
            return;
        end if;

        if left(requested, 1) = '{' and right(requested, 1) = '}' then
            requested := btrim(substr(requested, 2, length(requested) - 2), white_space);
        end if;
        if requested = '' then
            return;
        end if;
        {{- setting_parser(id_type) }}

        org_ids := array(
            select distinct element::{{ id_type }}
            from unnest(elements) as listed (element)
            where binding is null or element::{{ id_type }} = any(binding)
        );
    end
{% endmacro %}
