-- A bound role's plan has none of this, so that it tells nothing of who is in the seed.
select
    quicksight_user.user_name,
    membership.org_id::text as org_id
from {{ ref('quicksight_users') }} as quicksight_user
inner join {{ ref('int_person_current_organization') }} as membership
    on quicksight_user.user_id = membership.person_id
where
    not {{ is_bound_when_planned() }}
    and (select scope.is_everyone from {{ ref('int_caller_scope') }} as scope)
    -- an empty name or organization would be a rule for everybody
    and btrim(quicksight_user.user_name) <> ''
    -- and a comma would make a list of one
    and position(',' in quicksight_user.user_name) = 0
