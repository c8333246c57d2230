{#-
    A PL/pgSQL function of the internal schema, made only where it is not there as it should be: a run that
    changes nothing writes nothing. Everybody may execute it: a view calls its functions as the role that queries
    it, and on a server whose default privileges take this away no reader could. Without usage of the
    schema it lets nobody else call it.

    arguments and returns are as Postgres writes them. rows: how many a function that returns a table is
    planned for; Postgres's own default is 1000.
-#}
{% macro create_function(name, argument_types, arguments, returns, volatility, body, runs_as_owner=false, parallel='safe', rows=1000) %}
    {%- set returns_rows = returns.startswith('TABLE') %}
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
                and pg_proc.prorows = {{ rows if returns_rows else 0 }}
                and pg_proc.proretset = {{ returns_rows | lower }}
                and not (pg_proc.proleakproof or pg_proc.proisstrict)
        ) then
            create or replace function {{ internal_schema() }}.{{ name }}({{ arguments }})
            returns {{ returns }}
            language plpgsql {{ volatility }} parallel {{ parallel }} security {{ 'definer' if runs_as_owner else 'invoker' }}
            {%- if returns_rows %}
            rows {{ rows }}
            {%- endif %}
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
