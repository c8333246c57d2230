{#-
    The functions of the caller's scope. Those that read memberships and bindings run with their owner's
    rights, since no caller has any on these; no caller has usage of the schema either, so nobody can call
    them but by a view. In PL/pgSQL, which plans a function's query once a session.
-#}
{% macro create_scope_functions() %}
    {{ create_is_bound_function() }}
    {{ create_refuse_plan_function() }}
    {%- for name, scope in var('scopes').items() %}
        {{ create_caller_scope_function(scope['parser'], scope['org_type']) }}
        {{ create_has_wide_way_function(name, scope) }}
        {{ create_scope_of_function(name, scope) }}
        {%- for people, membership in scope['people'].items() %}
            {{ create_in_scope_function(people, membership, scope) }}
            {{ create_scope_is_wide_function(people, membership, scope) }}
        {%- endfor %}
    {%- endfor %}
{% endmacro %}


{#-
    Whether the session's own role, or the one that the query runs as, is marked as bound. It claims to be
    immutable, so that a query's plan is made for the answer (scoped.sql says why that is right). With the
    caller's rights: inside a function that runs as its owner, the owner is who is asked about.
-#}
{% macro create_is_bound_function() %}
    {%- set body %}
    begin
        return {{ is_marked_as_bound('in (quote_ident(session_user)::regrole, quote_ident(current_user)::regrole)') }};
    end
    {% endset -%}
    {{ create_function('is_bound_when_planned', '', '', 'boolean', 'immutable', body) }}
{% endmacro %}


{#-
    SQL condition: a role is marked as bound on this server. `member` says which, as a comparison with an oid.
    A role that may grant the mark may also remove it, so the mark does not bind it.
-#}
{% macro is_marked_as_bound(member) -%}
exists (
    select from pg_catalog.pg_auth_members as membership
    where
        membership.roleid = to_regrole('timeback_bound')
        and membership.member {{ member }}
        and not membership.admin_option
)
{%- endmacro %}


{#-
    SQL condition: a role may ask for everybody. A membership that neither inherits nor may be taken on gives
    nothing; before PostgreSQL 16 there is no such one.
-#}
{% macro role_may_see_everyone(role) -%}
exists (
    select from pg_catalog.pg_roles as unrestricted
    where
        unrestricted.rolname = 'timeback_unrestricted'
        and (
            pg_has_role({{ role }}, unrestricted.oid, 'usage')
            or pg_has_role(
                {{ role }}, unrestricted.oid,
                case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end
            )
        )
)
{%- endmacro %}


{#-
    Whether the wide way is in the plan: for who may see everybody, and where the setting lists several
    organizations. Claims to be immutable for the same reason as is_bound_when_planned.
-#}
{% macro create_has_wide_way_function(name, scope) %}
    {%- set body %}
    begin
        return coalesce(strpos(current_setting('{{ scope['setting'] }}', true), ','), 0) > 0
            or {{ role_may_see_everyone('current_user') }};
    end
    {% endset -%}
    {{ create_function(name ~ '_has_wide_way_when_planned', '', '', 'boolean', 'immutable', body) }}
{% endmacro %}


{#- Refuses a plan that was made before its role could see everybody. Never called otherwise. -#}
{% macro create_refuse_plan_function() %}
    {%- set body %}
    begin
        raise exception 'this statement was prepared before its role was a member of timeback_unrestricted'
            using
                errcode = 'object_not_in_prerequisite_state',
                hint = 'Run "discard plans" in this session, or connect again.';
    end
    {% endset -%}
    {{ create_function('refuse_plan_without_wide_way', '', '', 'boolean', 'stable', body) }}
{% endmacro %}


{#-
    What a caller may see of one scope. Bindings of session_user and of the caller's role both apply, or a bound
    login could shed its own with SET ROLE; two bindings leave what is in both.

    A role is bound when it is marked as such (timeback_bound), on whatever database of the server it was bound,
    or when a binding here names it, by name or by oid, in either scope. What it is bound to are the rows with both
    its name and its oid (a row written by hand may have the name alone, until the next run): after a rename, for a
    new role of an old name, in a copy on another server and where the rows are gone, a bound role sees nothing
    until it is bound again.
-#}
{% macro create_scope_of_function(name, scope) %}
    {%- set body %}
    declare
        bound_roles oid[];
        binding {{ scope['org_type'] }}[];
        may_see_everyone boolean;
    begin
        bound_roles := array(
            select role.oid
            from pg_catalog.pg_roles as role
            where
                role.rolname in (caller, session_user)
                and (
                    {{ is_marked_as_bound('= role.oid') }}
                    {%- for any_scope in var('scopes').values() %}
                    or exists (
                        select from {{ internal_schema() }}.{{ any_scope['binding'] }} as bound
                        where bound.role_name = role.rolname or bound.role_oid = role.oid
                    )
                    {%- endfor %}
                )
        );
        is_bound := cardinality(bound_roles) > 0;
        if is_bound then
            binding := array(
                select bound.org_id
                from {{ internal_schema() }}.{{ scope['binding'] }} as bound
                inner join pg_catalog.pg_roles as role
                    on bound.role_name = role.rolname and coalesce(bound.role_oid, role.oid) = role.oid
                where role.oid = any(bound_roles)
                group by bound.org_id
                having count(*) = cardinality(bound_roles)
            );
        end if;

        may_see_everyone := {{ role_may_see_everyone('caller') }};
        select asked.is_everyone, asked.org_ids
        into is_everyone, org_ids
        from {{ internal_schema() }}.{{ scope['parser'] }}(
            '{{ scope['setting'] }}', current_setting('{{ scope['setting'] }}', true), binding, caller, may_see_everyone
        ) as asked;
    end
    {% endset -%}
    {{ create_function(
        name=name ~ '_scope_of',
        argument_types='name',
        arguments='caller name, OUT is_everyone boolean, OUT org_ids ' ~ scope['org_type'] ~ '[], OUT is_bound boolean',
        returns='record',
        volatility='stable',
        body=body,
        runs_as_owner=true
    ) }}
{% endmacro %}


{#- The people with a current membership in one of these organizations, each with those organizations. A school has some hundred. -#}
{% macro create_in_scope_function(people, membership, scope) %}
    {%- set body %}
    begin
        return query
        select
            membership.person_id,
            array_agg(distinct membership.org_id order by membership.org_id)
        from {{ internal_schema() }}.{{ membership }} as membership
        where membership.org_id = any(asked)
        group by membership.person_id;
    end
    {% endset -%}
    {{ create_function(
        name=people ~ '_in_scope',
        argument_types=scope['org_type'] ~ '[]',
        arguments='asked ' ~ scope['org_type'] ~ '[]',
        returns='TABLE(person_id ' ~ scope['person_type'] ~ ', org_ids ' ~ scope['org_type'] ~ '[])',
        volatility='stable',
        body=body,
        runs_as_owner=true,
        rows=250
    ) }}
{% endmacro %}


{#-
    Whether the people of these organizations are at least this share of all that have an organization, counted
    by memberships. Counts no more of the others than it takes to know.
-#}
{% macro create_scope_is_wide_function(people, membership, scope) %}
    {%- set body %}
    declare
        in_scope bigint;
        share_reached_at bigint;
        everybody bigint;
    begin
        select count(*) into in_scope
        from {{ internal_schema() }}.{{ membership }} as membership
        where membership.org_id = any(asked);
        share_reached_at := in_scope / share;
        select count(*) into everybody
        from (select from {{ internal_schema() }}.{{ membership }} limit share_reached_at + 1) as counted;
        return in_scope > 0 and everybody <= share_reached_at;
    end
    {% endset -%}
    {{ create_function(
        name=people ~ '_scope_is_wide',
        argument_types=scope['org_type'] ~ '[], numeric',
        arguments='asked ' ~ scope['org_type'] ~ '[], share numeric',
        returns='boolean',
        volatility='stable',
        body=body,
        runs_as_owner=true
    ) }}
{% endmacro %}
