-- Who is asking, in one row: every organization, or which ones.
-- Bindings of session_user and of current_user both apply, or a bound login could shed its own
-- with SET ROLE.
with role_binding as (
    select
        role_name,
        array_agg(org_id) as org_ids
    from {{ internal_schema() }}.scope_binding
    where role_name in (current_user, session_user)
    group by role_name
),

binding as (
    select
        case
            when count(*) > 0 then array(
                select element.org_id
                from role_binding as bound
                cross join lateral unnest(bound.org_ids) as element (org_id)
                group by element.org_id
                having count(*) = (select count(*) from role_binding)
            )
        end as org_ids
    from role_binding
)

select
    scope.is_everyone,
    scope.org_ids,
    binding.org_ids is not null as is_bound
from binding
cross join lateral {{ internal_schema() }}.caller_scope(
    'app.allowed_org_ids',
    current_setting('app.allowed_org_ids', true),
    binding.org_ids,
    exists (
        select from pg_catalog.pg_roles
        where
            pg_roles.rolname = 'timeback_unrestricted'
            and pg_catalog.pg_has_role(current_user, pg_roles.oid, 'member')
    )
) as scope
