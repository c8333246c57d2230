{#-
    What bound roles see where their sessions ask for nothing: a role's own setting in this database. A dump without
    --create leaves such settings behind, as does a database that is made from another as its template. So `timeback
    bind` notes them in the table default_scope too, and each run sets again what is gone. A setting that is another
    than the one noted is somebody's choice, and can only narrow what the binding lets through.
-#}
{% macro mend_default_scopes() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- call statement('default_scopes') -%}
            {{ create_default_scope_table() }}
            {{ create_lost_default_scopes_function() }}
            do $mend$
            declare
                lost record;
            begin
                for lost in select statement from {{ internal_schema() }}.lost_default_scopes() loop
                    begin
                        execute lost.statement;
                    exception when insufficient_privilege then
                        -- told below
                        null;
                    end;
                end loop;
            end
            $mend$;
        {%- endcall -%}
        {%- call statement('still_lost', fetch_result=True) -%}
            select
                role_name,
                statement
            from {{ internal_schema() }}.lost_default_scopes()
        {%- endcall -%}
        {%- for row in load_result('still_lost').table.rows -%}
            {%- do exceptions.warn(
                "Role " ~ row['role_name'] ~ " is bound, and its default scope is gone from this database: it sees "
                ~ "nothing until its session asks. Ask an administrator for: " ~ row['statement'] ~ ";"
            ) -%}
        {%- endfor -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}


{#- SQL: the table, which begins with the settings that bound roles have when it is made. -#}
{% macro create_default_scope_table() %}
    do $create_table$
    begin
        if to_regclass('{{ internal_schema() }}.default_scope') is null then
            create table {{ internal_schema() }}.default_scope (
                role_name name not null,
                setting text not null,
                value text not null,
                primary key (role_name, setting)
            );
            {%- for scope in var('scopes').values() %}
            insert into {{ internal_schema() }}.default_scope (role_name, setting, value)
            select
                bound.role_name,
                '{{ scope['setting'] }}',
                substr(element.setting, {{ (scope['setting'] ~ '=') | length + 1 }})
            from (select distinct role_name, role_oid from {{ internal_schema() }}.{{ scope['binding'] }}) as bound
            inner join pg_catalog.pg_db_role_setting on bound.role_oid = pg_db_role_setting.setrole
            inner join pg_catalog.pg_database on pg_db_role_setting.setdatabase = pg_database.oid
            cross join unnest(pg_db_role_setting.setconfig) as element (setting)
            where
                pg_database.datname = current_database()
                and starts_with(element.setting, '{{ scope['setting'] }}=');
            {%- endfor %}
        end if;
    end
    $create_table$;
{% endmacro %}


{#-
    SQL: the function lost_default_scopes, a row for each default scope that is noted and not set any more: role_name, and
    the statement that sets it again. `timeback audit` asks it too.
-#}
{% macro create_lost_default_scopes_function() %}
    {%- set body %}
    begin
        return query
        select
            noted.role_name::text,
            format(
                'alter role %I in database %I set %s = %L',
                role.rolname,
                current_database(),
                (
                    select string_agg(quote_ident(named.part), '.' order by named.place)
                    from unnest(string_to_array(noted.setting, '.')) with ordinality as named (part, place)
                ),
                noted.value
            )
        from {{ internal_schema() }}.default_scope as noted
        inner join pg_roles as role on noted.role_name = role.rolname
        where
            (
                {%- for scope in var('scopes').values() %}
                {{ 'or' if not loop.first }} exists (
                    select from {{ internal_schema() }}.{{ scope['binding'] }} as bound
                    where bound.role_name = role.rolname and bound.role_oid = role.oid
                )
                {%- endfor %}
            )
            and not exists (
                select from pg_db_role_setting
                cross join unnest(pg_db_role_setting.setconfig) as element (setting)
                where
                    pg_db_role_setting.setrole = role.oid
                    and pg_db_role_setting.setdatabase in (
                        0, (select pg_database.oid from pg_database where pg_database.datname = current_database())
                    )
                    and starts_with(element.setting, noted.setting || '=')
            )
        order by 1, 2;
    end
    {% endset -%}
    {{ create_function(
        'lost_default_scopes', '', '', 'TABLE(role_name text, statement text)', 'stable', body
    ) }}
{% endmacro %}
