{#-
    Who is asking, in one row: every organization, or which ones, as far as bindings let the setting through.

    setting_name:   the session setting
    binding_table:  which organizations of this setting a role is bound to
    scope_function: the function of ours that reads the setting

    Bindings of session_user and of current_user both apply, or a bound login could shed its own with SET
    ROLE. A role that is bound by either table is bound in both: without a row in binding_table it sees
    nothing there, whatever its session asks for.
-#}
{% macro caller_scope(setting_name, binding_table, scope_function) -%}
with bound_role as (
    {%- for table in ['scope_binding', 'roar_scope_binding'] %}
    {{ 'union' if not loop.first }}
    select role_name
    from {{ internal_schema() }}.{{ table }}
    where role_name in (current_user, session_user)
    {%- endfor %}
),

binding as (
    select
        case
            when count(*) > 0 then array(
                select bound.org_id
                from {{ internal_schema() }}.{{ binding_table }} as bound
                where bound.role_name in (current_user, session_user)
                group by bound.org_id
                having count(*) = (select count(*) from bound_role)
            )
        end as org_ids
    from bound_role
)

select
    scope.is_everyone,
    scope.org_ids,
    binding.org_ids is not null as is_bound
from binding
cross join lateral {{ internal_schema() }}.{{ scope_function }}(
    '{{ setting_name }}',
    current_setting('{{ setting_name }}', true),
    binding.org_ids,
    exists (
        select from pg_catalog.pg_roles
        where
            pg_roles.rolname = 'timeback_unrestricted'
            and pg_catalog.pg_has_role(current_user, pg_roles.oid, 'member')
    )
) as scope
{%- endmacro %}
