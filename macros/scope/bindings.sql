{#-
    Which organizations a role is bound to. Written by `timeback bind`, read by the functions of the caller's
    scope: each reads the bindings of both scopes, since a role that is bound in one is bound in the other.
    The oid beside the name tells a role that was renamed, or recreated under an old name.

    Row level security is on and has no policy: the owner, who reads for everybody, is not affected, and Postgres
    plans again whenever the role changes (caller_scope.sql).
-#}
{% macro create_scope_binding(table, id_type) %}
    create table if not exists {{ internal_schema() }}.{{ table }} (
        role_name name not null,
        org_id {{ id_type }} not null,
        role_oid oid,
        primary key (role_name, org_id)
    );
    do $binding$
    begin
        -- a table of an earlier version knows names alone
        if not exists (
            select from pg_catalog.pg_attribute
            where attrelid = '{{ internal_schema() }}.{{ table }}'::regclass and attname = 'role_oid' and not attisdropped
        ) then
            alter table {{ internal_schema() }}.{{ table }} add column role_oid oid;
            update {{ internal_schema() }}.{{ table }} as bound
            set role_oid = role.oid
            from pg_catalog.pg_roles as role
            where bound.role_name = role.rolname;
        end if;
        if not (
            select relrowsecurity from pg_catalog.pg_class where oid = '{{ internal_schema() }}.{{ table }}'::regclass
        ) then
            alter table {{ internal_schema() }}.{{ table }} enable row level security;
        end if;
    end
    $binding$;
{% endmacro %}


{#-
    Puts right what a restore or an earlier version left of the bindings. A role that is marked as bound, and whose
    rows carry the oid that it had on another server, gets its own oid, as do rows written by hand without one; a
    role whose rows are right gets the mark.
    A role without the mark that merely has the name of a bound one is left as it is, and sees nothing.
-#}
{% macro mend_bindings() %}
    {%- call statement('mend_bindings') -%}
        do $mend$
        declare
            one record;
        begin
            {%- for scope in var('scopes').values() %}
            update {{ internal_schema() }}.{{ scope['binding'] }} as bound
            set role_oid = role.oid
            from pg_catalog.pg_roles as role
            where
                bound.role_name = role.rolname
                and (
                    bound.role_oid is null
                    -- restored: its role is not a role of this server, and the role of its name is nobody else
                    or not exists (select from pg_catalog.pg_roles as former where former.oid = bound.role_oid)
                    {%- for any_scope in var('scopes').values() %}
                    and not exists (
                        select from {{ internal_schema() }}.{{ any_scope['binding'] }} as other
                        where other.role_oid = role.oid and other.role_name <> role.rolname
                    )
                    {%- endfor %}
                    and {{ is_marked_as_bound('= role.oid') }}
                );
            {%- endfor %}
            for one in
                select distinct role.rolname
                from (
                    {%- for scope in var('scopes').values() %}
                    {{ 'union all' if not loop.first }}
                    select role_name, role_oid from {{ internal_schema() }}.{{ scope['binding'] }}
                    {%- endfor %}
                ) as bound
                inner join pg_catalog.pg_roles as role on bound.role_oid = role.oid and bound.role_name = role.rolname
                where not exists (
                    select from pg_catalog.pg_auth_members as membership
                    where membership.member = role.oid and membership.roleid = to_regrole('timeback_bound')
                )
            loop
                begin
                    execute format('grant timeback_bound to %I', one.rolname);
                exception when insufficient_privilege or undefined_object then
                    raise warning 'Role % is bound, and % may not mark it as bound on the whole server. Ask an administrator for: grant timeback_bound to %;',
                        one.rolname, current_user, quote_ident(one.rolname);
                end;
            end loop;
        end
        $mend$;
    {%- endcall -%}
{% endmacro %}
