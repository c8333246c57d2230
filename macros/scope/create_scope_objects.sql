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
            {%- for scope in var('scopes').values() %}
            {{ create_scope_binding(scope['binding'], scope['org_type']) }}
            {%- endfor %}
            {{ create_deployed_view() }}
            {{ create_reads_of_view_function() }}
            {{ create_moved_sources_function() }}
            {{ create_scope_functions() }}
        {%- endcall -%}
        {%- do mend_bindings() -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}


{#-
    The organizations that a setting asks for, as far as a binding lets them through.
    requested: the setting's text. binding: the organizations that the caller is bound to, null for
    an unbound caller. caller: the role to name in an error. may_see_everyone: whether an unbound caller may
    ask for every row.
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
        argument_types='text, text, ' ~ id_type ~ '[], name, boolean',
        arguments='setting_name text, requested text, binding ' ~ id_type ~ '[], caller name, may_see_everyone boolean, '
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
                        || caller || ' may not',
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
