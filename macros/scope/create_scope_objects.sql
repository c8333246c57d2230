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
    Stops the run before anything is deployed when somebody else owns one of the two schemas, anything
    in the internal one, or a published relation of a model's name. `create or replace` and `create if
    not exists` would keep that owner, who could then change the scope from below: drop a binding,
    replace the function that reads the setting, take the barrier off a view.
    Trusted beside the deploying role are superusers, and roles that it belongs to.
-#}
{% macro check_owners() %}
    {%- set published = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.schema == target.schema -%}
        {%- do published.append(dbt.string_literal(node.alias)) -%}
    {%- endfor -%}
    {%- call statement('foreign_owners', fetch_result=True) -%}
        with schema_of_ours as (
            select oid, nspname, nspowner, nspname = '{{ target.schema }}' as is_published
            from pg_catalog.pg_namespace
            where nspname in ('{{ target.schema }}', '{{ generate_schema_name("internal", none) }}')
        ),

        owned as (
            select 'schema ' || quote_ident(nspname) as object, nspowner as owner
            from schema_of_ours
            union all
            select 'relation ' || pg_class.oid::regclass, pg_class.relowner
            from schema_of_ours
            inner join pg_catalog.pg_class on schema_of_ours.oid = pg_class.relnamespace
            where
                pg_class.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
                and (not is_published or pg_class.relname in ({{ published | join(', ') or "''" }}))
            union all
            select 'function ' || pg_proc.oid::regprocedure, pg_proc.proowner
            from schema_of_ours
            inner join pg_catalog.pg_proc on schema_of_ours.oid = pg_proc.pronamespace
            where not is_published
        ),

        judged as (
            select
                owned.object,
                -- of a schema such as public
                case when role.rolname = 'pg_database_owner' then pg_database.datdba else owned.owner end as owner
            from owned
            inner join pg_catalog.pg_roles as role on owned.owner = role.oid
            inner join pg_catalog.pg_database on pg_database.datname = current_database()
        )

        select
            judged.object,
            owner.rolname as owner,
            me.rolname as deployer
        from judged
        inner join pg_catalog.pg_roles as owner on judged.owner = owner.oid
        inner join pg_catalog.pg_roles as me on me.rolname = current_user
        where
            owner.oid <> me.oid
            and not owner.rolsuper
            -- to a superuser every role is one that it belongs to
            and (me.rolsuper or not pg_has_role(owner.oid, 'usage'))
        order by judged.object
    {%- endcall -%}
    {%- set foreign = load_result('foreign_owners').table.rows -%}
    {%- if foreign -%}
        {%- set lines = [] -%}
        {%- for row in foreign -%}
            {%- do lines.append('  ' ~ row['object'] ~ ' is owned by ' ~ row['owner']) -%}
        {%- endfor -%}
        {%- do exceptions.raise_compiler_error(
            "Somebody other than " ~ foreign[0]['deployer'] ~ ", who deploys, owns what the caller's scope stands on, and "
            ~ "could change it. No view was made or changed.\n" ~ lines | join('\n')
            ~ "\nDeploy as that role, if it is the one that deployed before. Else have an administrator look at "
            ~ "them, and drop them or give them over: alter ... owner to " ~ foreign[0]['deployer'] ~ ";"
        ) -%}
    {%- endif -%}
{% endmacro %}


{#-
    timeback_reader and timeback_unrestricted belong to the whole server. They are created where the
    deploying role may create roles and reported where it may not; views work without them, but
    then nobody is unrestricted and no grant is made.
-#}
{% macro create_scope_roles() %}
    {%- call statement('scope_roles', fetch_result=True) -%}
        select
            wanted.role_name,
            deployer.rolsuper or deployer.rolcreaterole as may_create
        from unnest(array['timeback_reader', 'timeback_unrestricted']) as wanted (role_name)
        cross join (select rolsuper, rolcreaterole from pg_catalog.pg_roles where rolname = current_user) as deployer
        where not exists (select from pg_catalog.pg_roles where pg_roles.rolname = wanted.role_name)
    {%- endcall -%}
    {%- for role in load_result('scope_roles').table.rows -%}
        {%- if role['may_create'] -%}
            {%- call statement('create_role') -%}
                do $create_role$
                begin
                    create role {{ role['role_name'] }} nologin;
                    comment on role {{ role['role_name'] }} is
                        {% if role['role_name'] == 'timeback_reader' -%}
                        'TimeBack analytics: may select from the published views and nothing else'
                        {%- else -%}
                        'TimeBack analytics: may ask for every organization with app.allowed_org_ids = *'
                        {%- endif %};
                -- another run on the same server was faster
                exception when duplicate_object or unique_violation then null;
                end
                $create_role$;
            {%- endcall -%}
            {%- do log("Created role " ~ role['role_name'], info=True) -%}
        {%- else -%}
            {%- do exceptions.warn(
                "Role " ~ role['role_name'] ~ " is missing and " ~ target.user ~ " may not create it. Ask an "
                ~ "administrator for: create role " ~ role['role_name'] ~ " nologin;"
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}


{#-
    Lets readers into the published schema, which dbt has created by now. Here and not beside each
    view's grant, since two threads that grant on one schema at a time fail each other.
-#}
{% macro grant_published_schema() %}
    {%- call statement('grant_published_schema') -%}
        do $grant$
        begin
            if
                exists (select from pg_catalog.pg_roles where rolname = 'timeback_reader')
                and to_regnamespace('{{ adapter.quote(target.schema) }}') is not null
                and not has_schema_privilege('timeback_reader', '{{ target.schema }}', 'usage')
            then
                grant usage on schema {{ adapter.quote(target.schema) }} to timeback_reader;
            end if;
        end
        $grant$;
    {%- endcall -%}
{% endmacro %}


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
        {%- if id_type == 'text' %}
        in_quotes constant text := e'(?:[^"\\\\/]|\\\\[^/])+';
        bare_id constant text := e'[^ \t\n\x0b\f\r,{}"\\\\/*]+';
        one_id constant text := '[' || white_space || ']*(?:"' || in_quotes || '"|' || bare_id || ')[' || white_space || ']*';
        rest text;
        has_null boolean;
        {%- endif %}
        elements text[];
        bad_element text;
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
                    hint = 'Name the organizations instead, or ask an administrator for membership of timeback_unrestricted.';
            end if;
            return;
        end if;

        if left(requested, 1) = '{' and right(requested, 1) = '}' then
            requested := btrim(substr(requested, 2, length(requested) - 2), white_space);
        end if;
        if requested = '' then
            return;
        end if;
        {% if id_type == 'text' %}
        select
            array_agg(coalesce(regexp_replace(listed.found[1], e'\\\\(.)', e'\\1', 'g'), listed.found[2])),
            -- an array's missing element; the id of that name stands in quotes
            bool_or(lower(listed.found[2]) = 'null')
        into elements, has_null
        from regexp_matches(requested, '"(' || in_quotes || ')"|(' || bare_id || ')', 'g') as listed (found);
        if has_null or requested !~ ('^' || one_id || '(?:,' || one_id || ')*$')
        then
            -- the first element that is none; a comma within quotes does not end one
            rest := requested;
            loop
                bad_element := coalesce(
                    substring(rest from e'^[^",]*"(?:[^"\\\\]|\\\\.)*"[^",]*(?=,|$)'),
                    substring(rest from '^[^,]*')
                );
                exit when
                    bad_element !~ ('^' || one_id || '$')
                    or lower(btrim(bad_element, white_space)) = 'null'
                    or length(rest) <= length(bad_element);
                rest := substr(rest, length(bad_element) + 2);
            end loop;
            raise invalid_parameter_value using
                message = setting_name || ' holds "' || btrim(bad_element, white_space)
                    || '", which is not an organization id',
                hint = 'Write ids with commas between them, in double quotes where one has white space or one of '
                    || e', { } " \\ *, as in: set ' || setting_name || ' = ''2tgCL8CrBt9ymN2lTjVi, "north, upper"''';
        end if;
        {%- else %}
        elements := array(
            select btrim(element, white_space)
            from unnest(string_to_array(requested, ',')) with ordinality as listed (element, place)
            order by place
        );
        select element into bad_element
        from unnest(elements) with ordinality as listed (element, place)
        where element !~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$'
        order by place
        limit 1;
        if found then
            raise invalid_parameter_value using
                message = setting_name || ' holds "' || bad_element || '", which is not an organization id',
                hint = 'Write organization ids (UUIDs) with commas between them, as in: set ' || setting_name
                    || ' = ''1a2b3c4d-1111-2222-3333-444455556666''';
        end if;
        {%- endif %}

        org_ids := array(
            select distinct element::{{ id_type }}
            from unnest(elements) as listed (element)
            where binding is null or element::{{ id_type }} = any(binding)
        );
    end
{% endmacro %}


{#-
    A PL/pgSQL function of the internal schema, made only where it is not there as it should be: a run that
    changes nothing writes nothing. Everybody may execute it: a view calls its functions as whoever asks
    it, and on a server whose default privileges take this away no reader could. Without usage of the
    schema it lets nobody else call it.

    arguments and returns are as Postgres writes them.
-#}
{% macro create_function(name, argument_types, arguments, returns, volatility, body, runs_as_owner=false, parallel='safe') %}
    {%- set signature = internal_schema() ~ '.' ~ name ~ '(' ~ argument_types ~ ')' %}
    do $create_function$
    begin
        if not exists (
            select from pg_catalog.pg_proc
            inner join pg_catalog.pg_language on pg_proc.prolang = pg_language.oid
            where
                pg_proc.oid = to_regprocedure('{{ signature }}')
                and pg_proc.prosrc = $body${{ body }}$body$
                and pg_get_function_arguments(pg_proc.oid) = '{{ arguments }}'
                and pg_get_function_result(pg_proc.oid) = '{{ returns }}'
                and pg_language.lanname = 'plpgsql'
                and pg_proc.provolatile = '{{ volatility[0] }}'
                and pg_proc.proparallel = '{{ parallel[0] }}'
                and pg_proc.proconfig = '{"search_path=pg_catalog, pg_temp"}'
                and pg_proc.prosecdef = {{ runs_as_owner | lower }}
                and pg_proc.proretset = {{ returns.startswith('TABLE') | lower }}
                and not (pg_proc.proleakproof or pg_proc.proisstrict)
        ) then
            create or replace function {{ internal_schema() }}.{{ name }}({{ arguments }})
            returns {{ returns }}
            language plpgsql {{ volatility }} parallel {{ parallel }} security {{ 'definer' if runs_as_owner else 'invoker' }}
            set search_path = pg_catalog, pg_temp
            as $body${{ body }}$body$;
        end if;

        if not exists (
            select from pg_catalog.aclexplode(
                (
                    select coalesce(proacl, acldefault('f', proowner)) from pg_catalog.pg_proc
                    where oid = '{{ signature }}'::regprocedure
                )
            ) as granted
            where granted.grantee = 0 and granted.privilege_type = 'EXECUTE'
        ) then
            grant execute on function {{ signature }} to public;
        end if;
    end
    $create_function$;
{% endmacro %}
