-- The organizations that a person belongs to today: whatever the role, an active one that has not
-- ended (OneRoster's end dates are exclusive). A begin date in the future hides nothing.
select
    user_id as person_id,
    org_id
from {{ ref('stg_one_roster_role') }}
where
    status = 'active'
    and (end_date is null or end_date > {{ today() }})
